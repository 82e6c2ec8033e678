import { createHmac } from "node:crypto";
import { type Answer, type Asked, json, type ProviderServer, startProvider } from "./provider-server.ts";

/** A user's account at OKX, with the key that reads it. Amounts are OKX's strings, also empty ones. */
export interface OkxAccount {
  readonly api_key: string;
  readonly api_secret: string;
  readonly passphrase: string;
  /** The trading account. */
  trading: readonly OkxTradingDetail[];
  funding: readonly OkxFundingBalance[];
}

export interface OkxTradingDetail {
  readonly ccy: string;
  readonly cashBal: string;
  readonly availBal?: string;
  readonly frozenBal?: string;
  readonly eq?: string;
}

export interface OkxFundingBalance {
  readonly ccy: string;
  readonly bal: string;
  readonly availBal?: string;
  readonly frozenBal?: string;
}

export interface Okx extends ProviderServer {
  /** Change the list, or what is in its members, as the test goes on. */
  readonly accounts: OkxAccount[];
}

export const TRADING = "/api/v5/account/balance";
export const FUNDING = "/api/v5/asset/balances";
const MAX_AGE_MS = 30_000;

/** OKX's API as it is documented: the trading and the funding account, behind checks of the key and the signature. */
export async function startOkx(accounts: readonly OkxAccount[] = []): Promise<Okx> {
  const held = [...accounts];
  const server = await startProvider((asked) => answerTo(asked, held));
  return Object.assign(server, { accounts: held });
}

/** An account whose key nobody else has. */
export function okxAccount(
  name: string,
  contents: Partial<Pick<OkxAccount, "trading" | "funding">> = {},
): OkxAccount {
  return {
    api_key: `${name}-key`,
    api_secret: `${name}-secret`,
    passphrase: `${name}-passphrase`,
    trading: [],
    funding: [],
    ...contents,
  };
}

/** OKX's answer that there was an error; often with HTTP 200. */
export function okxError(code: string, status = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  return json({ code, data: [], msg: `What is wrong, by code ${code}` }, status, headers);
}

function answerTo(asked: Asked, accounts: readonly OkxAccount[]): Answer {
  const { headers, method, path } = asked;
  const account = accounts.find(({ api_key }) => api_key === headers["ok-access-key"]);
  if (!headers["ok-access-key"]) return okxError("50103", 401);
  if (!account) return okxError("50111", 401);
  if (headers["ok-access-passphrase"] !== account.passphrase) return okxError("50105", 401);
  const timestamp = String(headers["ok-access-timestamp"]);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(timestamp)) return okxError("50112", 401);
  if (Math.abs(Date.now() - Date.parse(timestamp)) > MAX_AGE_MS) return okxError("50102", 401);
  const signed = `${timestamp}${method}${path}${asked.body}`;
  const signature = createHmac("sha256", account.api_secret).update(signed).digest("base64");
  if (headers["ok-access-sign"] !== signature) return okxError("50113", 401);
  const [pathname] = path.split("?");
  if (method === "GET" && pathname === TRADING) return json(tradingOf(account));
  if (method === "GET" && pathname === FUNDING) return json(fundingOf(account));
  return okxError("50404", 404);
}

function tradingOf({ trading }: OkxAccount) {
  const details = trading.map(({ ccy, cashBal, availBal = "", frozenBal = "0", eq = cashBal }) => ({
    accAvgPx: "",
    availBal,
    availEq: "",
    cashBal,
    ccy,
    crossLiab: "",
    disEq: "0",
    eq,
    eqUsd: "0",
    fixedBal: "0",
    frozenBal,
    interest: "",
    isoEq: "0",
    liab: "",
    ordFrozen: "0",
    uTime: "1726484381000",
    upl: "0",
  }));
  const account = {
    adjEq: "",
    details,
    imr: "",
    isoEq: "0",
    mgnRatio: "",
    totalEq: "0",
    uTime: "1726484381000",
  };
  return { code: "0", data: [account], msg: "" };
}

function fundingOf({ funding }: OkxAccount) {
  const data = funding.map(({ ccy, bal, availBal = bal, frozenBal = "0" }) => ({
    availBal,
    bal,
    ccy,
    frozenBal,
  }));
  return { code: "0", data, msg: "" };
}
