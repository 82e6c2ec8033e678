// `node scripts/release/changelog.ts > CHANGELOG.md`: what changed for those who use the system, from the commits.
import { execFile } from "node:child_process";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const timeoutMs = 60_000;
/** Between the fields of a commit, and between commits: no message has them. */
const [FIELD, RECORD] = ["\u001f", "\u001e"];

/** Kinds of commits (conventionalcommits.org) that users notice, and their headings. */
const HEADINGS: Readonly<Record<string, string>> = {
  breaking: "Breaking",
  feat: "Added",
  fix: "Fixed",
  perf: "Faster",
};

const HEAD = `# Changelog

Made from the commits by \`node scripts/release/changelog.ts > CHANGELOG.md\`: do not edit. What only tests, documents or
code without an effect changed is left out.
`;

interface Change {
  readonly kind: string;
  readonly text: string;
}

interface Release {
  readonly title: string;
  readonly changes: Change[];
}

/** The changelog of a repository, newest first; a release is a tag like v1.2.3. */
export async function changelog(checkout: string): Promise<string> {
  const format = ["%H", "%cs", "%D", "%s", "%b"].join("%x1f");
  const words = ["log", "--no-merges", "--decorate-refs=refs/tags/v*", `--format=${format}%x1e`];
  const { stdout } = await run("git", words, {
    cwd: checkout,
    timeout: timeoutMs,
    maxBuffer: 64 * 1024 * 1024,
  });
  const releases: Release[] = [{ title: "Unreleased", changes: [] }];
  for (const record of stdout.split(RECORD)) {
    const [hash = "", date = "", tags = "", subject = "", body = ""] = record.trimStart().split(FIELD);
    const [, version] = /tag: v(\d+\.\d+\.\d+)/.exec(tags) ?? [];
    if (version !== undefined) releases.push({ title: `${version} (${date})`, changes: [] });
    releases.at(-1)?.changes.push(...changesOf(hash, subject, body));
  }
  const sections = releases.filter(({ changes }) => changes.length > 0).map(section);
  return [HEAD, ...sections].join("\n");
}

/** What a commit says that it changed: one thing, or several as `fix(auth): this; docs: that`. */
function changesOf(hash: string, subject: string, body: string): Change[] {
  const isBreaking = /^BREAKING[ -]CHANGE: /m.test(body);
  return subject.split(/; (?=[a-z]+(?:\([\w-]+\))?!?: )/).flatMap((part) => {
    const [, kind = "", scope, mark, text] = /^([a-z]+)(?:\(([\w-]+)\))?(!)?: (.+)$/.exec(part) ?? [];
    const heading = mark || isBreaking ? "breaking" : kind;
    if (text === undefined || !Object.hasOwn(HEADINGS, heading)) return [];
    const said = `${scope ? `**${scope}**: ` : ""}${text} (${hash.slice(0, 8)})`;
    return [{ kind: heading, text: said }];
  });
}

function section({ title, changes }: Release): string {
  const parts = Object.entries(HEADINGS).flatMap(([kind, heading]) => {
    const lines = changes.filter((change) => change.kind === kind).map(({ text }) => `- ${text}`);
    return lines.length > 0 ? [`### ${heading}\n\n${lines.join("\n")}\n`] : [];
  });
  return [`## ${title}\n`, ...parts].join("\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.stdout.write(await changelog(process.cwd()));
}
