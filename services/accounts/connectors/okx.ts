import type { okx } from "ccxt";
import { z } from "zod";
import { amountOf, type Balance, holdingsOf } from "./amounts.ts";
import { rateLimited, unexpected } from "./ask.ts";
import { type Connector, ConnectorError } from "./connector.ts";
import { type ExchangeTools, openExchange } from "./exchange-client.ts";
import { halfAnswer, refusedCredentials } from "./exchange-error.ts";

const PROVIDER = "OKX";

/** OKX's codes, by its documentation of API version 5. */
const RATE_LIMITED = new Set(["50011", "50061"]);
const TIMED_OUT = new Set(["50004"]);
const UNAVAILABLE = new Set(["50001", "50005", "50013", "50026", "51054", "51149"]);
/** The key: unknown, not allowed to do this, bound to other addresses, or wrongly signed with. */
const REFUSED = /^50(?:007|008|009|027|030|035|1(?:0[013-7]|1[0134]|19|20))$/;
/** What is signed carries the time; this one's clock is wrong. */
const EXPIRED = new Set(["50102", "50112"]);

/** Digits, or nothing at all. */
const Text = z.union([z.literal(""), z.string().refine((text) => amountOf(text) !== undefined)]).optional();
const Code = z.string().min(1).max(40);

const TradingAnswer = z.object({
  code: z.literal("0"),
  data: z
    .array(
      z.object({
        details: z.array(z.object({ ccy: Code, cashBal: Text, eq: Text, availBal: Text, frozenBal: Text })),
      }),
    )
    .min(1),
});
const FundingAnswer = z.object({
  code: z.literal("0"),
  data: z.array(z.object({ ccy: Code, bal: Text, availBal: Text, frozenBal: Text })),
});

/**
 * Reads accounts at OKX, whose assets are in two places: the trading account and the funding account. Both are added up
 * by currency; when one of them cannot be read, nothing is.
 */
export function okxConnector(tools: ExchangeTools): Connector {
  return {
    async read(request) {
      const { client, failureBehind } = await openExchange<okx>(tools, "okx", request);
      // One question to each place is far below what OKX allows for either.
      client.enableRateLimit = false;
      client.handleErrors = (_status, _reason, _url, _method, _headers, _body, answer: unknown) => {
        refuse(answer);
        return undefined;
      };
      const outcomes = await Promise.allSettled([
        readPart(client.privateGetAccountBalance(), tradingBalances),
        readPart(client.privateGetAssetBalances(), fundingBalances),
      ]);
      request.signal.throwIfAborted();
      const [trading, funding] = outcomes;
      if (trading.status === "fulfilled" && funding.status === "fulfilled") {
        return holdingsOf(PROVIDER, [...trading.value, ...funding.value]);
      }
      throw failureOf(
        outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [failureBehind(outcome.reason)] : [])),
      );
    },
  };
}

async function readPart(answer: Promise<unknown>, read: (answer: unknown) => readonly Balance[]) {
  return read(await answer);
}

/** With both or one of them failed. A key that is refused in one place is not right, whatever the other says. */
function failureOf(errors: readonly ConnectorError[]): ConnectorError {
  const [first, second] = errors;
  const refused = errors.find(({ kind }) => kind === "refused_credentials");
  if (refused) return refused;
  if (first === undefined) return unexpected(PROVIDER);
  return second === undefined ? halfAnswer(PROVIDER, first) : first;
}

/** Errors come with HTTP 200, too. @throws ConnectorError */
function refuse(answer: unknown): void {
  const parsed = z.object({ code: z.coerce.string() }).safeParse(answer);
  if (!parsed.success || parsed.data.code === "0") return;
  const { code } = parsed.data;
  if (RATE_LIMITED.has(code)) throw rateLimited(PROVIDER);
  if (REFUSED.test(code)) throw refusedCredentials(PROVIDER);
  if (TIMED_OUT.has(code)) throw new ConnectorError("timed_out", "OKX did not answer in time.");
  if (UNAVAILABLE.has(code)) {
    throw new ConnectorError("unavailable", `OKX has a problem of its own just now (code ${code}).`);
  }
  if (EXPIRED.has(code)) {
    const message =
      "OKX says that the request came too late: an administrator should check this service's clock.";
    throw new ConnectorError("unavailable", message);
  }
  const shown = /^\d{1,6}$/.test(code) ? ` (code ${code})` : "";
  throw new ConnectorError("unexpected_answer", `OKX does not answer the question${shown}.`);
}

function tradingBalances(answer: unknown): readonly Balance[] {
  const { success, data } = TradingAnswer.safeParse(answer);
  if (!success) throw unexpected(PROVIDER);
  return data.data
    .flatMap(({ details }) => details)
    .map(({ ccy, cashBal, eq, availBal, frozenBal }) => balanceOf(ccy, cashBal || eq, availBal, frozenBal));
}

function fundingBalances(answer: unknown): readonly Balance[] {
  const { success, data } = FundingAnswer.safeParse(answer);
  if (!success) throw unexpected(PROVIDER);
  return data.data.map(({ ccy, bal, availBal, frozenBal }) => balanceOf(ccy, bal, availBal, frozenBal));
}

function balanceOf(code: string, total = "", available = "", frozen = ""): Balance {
  const quantity = amountOf(total);
  if (quantity === undefined) throw unexpected(PROVIDER);
  return { code, total: quantity, available: amountOf(available), frozen: amountOf(frozen) };
}
