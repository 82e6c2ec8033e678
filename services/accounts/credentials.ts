import type { Query } from "../common/database/transaction.ts";
import {
  CREDENTIAL_FIELDS,
  type CredentialField,
  type CredentialPlace,
  type CredentialSeal,
  fingerprintOf,
  type SealedCredential,
} from "./seal.ts";

/** What a client may give: text is kept, null takes away what was there, undefined leaves it as it is. */
export type CredentialChanges = Readonly<Partial<Record<CredentialField, string | null | undefined>>>;

/** Whose credentials they are. */
export interface CredentialOwner {
  readonly userId: string;
  readonly accountId: string;
}

/** A credential as it is stored, sealed. */
export interface CredentialRow {
  readonly field: CredentialField;
  readonly key_id: string;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

const FIND = "select field, key_id, nonce, ciphertext from accounts.credentials where account_id = $1";

const KEEP = `
  insert into accounts.credentials (account_id, user_id, field, key_id, nonce, ciphertext, fingerprint)
  select $1, $2, * from unnest($3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[])
  on conflict (account_id, field) do update
  set key_id = excluded.key_id, nonce = excluded.nonce, ciphertext = excluded.ciphertext,
      fingerprint = excluded.fingerprint`;

const REMOVE = "delete from accounts.credentials where account_id = $1 and field = any($2)";

/** Keeps the credentials of an account that is new. */
export async function keepCredentials(
  query: Query,
  seal: CredentialSeal,
  owner: CredentialOwner,
  credentials: CredentialChanges,
): Promise<void> {
  const texts = new Map<CredentialField, string>();
  for (const field of CREDENTIAL_FIELDS) {
    const text = credentials[field];
    if (typeof text === "string") texts.set(field, text);
  }
  await keep(query, seal, owner, texts);
}

/**
 * Changes the credentials of an account whose row is locked. Those that stay and are sealed with a key that is no
 * longer the first are sealed anew on this occasion.
 */
export async function changeCredentials(
  query: Query,
  seal: CredentialSeal,
  owner: CredentialOwner,
  changes: CredentialChanges,
): Promise<void> {
  const removed = CREDENTIAL_FIELDS.filter((field) => changes[field] === null);
  if (removed.length > 0) {
    const values = [owner.accountId, removed];
    await query({ name: "accounts.credentials.remove", text: REMOVE, values });
  }
  const rows = await readCredentials(query, owner.accountId);
  const outdated = rows.filter(({ field, key_id }) => !changes[field] && seal.isOutdated({ keyId: key_id }));
  const opened = openCredentials(seal, owner.accountId, outdated);
  await keepCredentials(query, seal, owner, { ...opened, ...given(changes) });
}

/** An account's credentials, sealed. */
export function readCredentials(query: Query, accountId: string): Promise<CredentialRow[]> {
  return query<CredentialRow>({ name: "accounts.credentials.find", text: FIND, values: [accountId] });
}

/** Opens credentials of an account. @throws an Error, which tells nothing of them, when one cannot be opened. */
export function openCredentials(
  seal: CredentialSeal,
  accountId: string,
  rows: readonly CredentialRow[],
): Partial<Record<CredentialField, string>> {
  const opened = rows.map(({ field, key_id: keyId, nonce, ciphertext }) => {
    return [field, seal.open({ accountId, field }, { keyId, nonce, ciphertext })];
  });
  return Object.fromEntries(opened);
}

/** The changes without what stays. */
function given(changes: CredentialChanges): CredentialChanges {
  return Object.fromEntries(Object.entries(changes).filter(([, text]) => text !== undefined));
}

async function keep(
  query: Query,
  seal: CredentialSeal,
  { accountId, userId }: CredentialOwner,
  texts: ReadonlyMap<CredentialField, string>,
): Promise<void> {
  if (texts.size === 0) return;
  const sealed = [...texts].map(([field, text]): CredentialPlace & SealedCredential => {
    const place = { accountId, field };
    return { ...place, ...seal.seal(place, text) };
  });
  const apiKey = texts.get("api_key");
  const values = [
    accountId,
    userId,
    sealed.map(({ field }) => field),
    sealed.map(({ keyId }) => keyId),
    sealed.map(({ nonce }) => nonce),
    sealed.map(({ ciphertext }) => ciphertext),
    sealed.map(({ field }) => (field === "api_key" && apiKey ? fingerprintOf(userId, apiKey) : null)),
  ];
  await query({ name: "accounts.credentials.keep", text: KEEP, values });
}
