import { bytesHeard, type Connection, isBusy } from "./connection.ts";

export interface SilenceWatchOptions {
  readonly connections: () => Iterable<Connection>;
  /** Asks the server for a sign of life, on a connection that is free if there is one, else beside them. */
  readonly probe: () => Ping | undefined;
  readonly ping: () => Ping;
  /** Nothing can come from the server any more; its connections are to be given up. */
  readonly fellSilent: () => void;
  readonly isBack: () => void;
  /** While the server answers others, these have been waiting for so long. */
  readonly waitLong: (connections: readonly Connection[]) => void;
}

/** A question to the server, beside the connections. */
export interface Ping {
  readonly answered: Promise<void>;
  stop(): void;
}

const LOOK_INTERVAL_MS = 250;
/** Without a byte for so many looks while something is owed, the server is asked for a sign of life, */
const QUIET_LOOKS = 4;
/** and given up when it gives none for so many more. */
const PROBE_LOOKS = 4;
/** While single connections are quiet, it is asked about them at each so many-th look. */
const ASKING_LOOKS = 2;

/**
 * Notices that the server has fallen silent: a network that swallows everything looks like a slow statement, for as long
 * as the statement may take. Time is counted in looks, between which all that has arrived is read: a process that was
 * itself held up does not blame the server.
 */
export class SilenceWatch {
  readonly #options: SilenceWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;
  #quietLooks = 0;
  #probe: { readonly ping: Ping | undefined; looks: number } | undefined;
  #isSilent = false;

  constructor(options: SilenceWatchOptions) {
    this.#options = options;
  }

  get isSilent(): boolean {
    return this.#isSilent;
  }

  begin(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#endProbe();
  }

  #look(): void {
    if (this.#isSilent) return this.#askAgain();
    const { isHeard, isOwed } = this.#listen();
    if (isHeard || !isOwed) {
      this.#heard();
      return;
    }
    this.#quietLooks += 1;
    if (this.#probe) {
      this.#probe.looks += 1;
      if (this.#probe.looks >= PROBE_LOOKS) this.#fallSilent();
    } else if (this.#quietLooks >= QUIET_LOOKS) {
      this.#ask(this.#options.probe());
    }
  }

  /** Whether the server has said anything since the last look, and whether it owes an answer. */
  #listen(): { isHeard: boolean; isOwed: boolean } {
    const result = { isHeard: false, isOwed: false };
    const waitLong: Connection[] = [];
    for (const connection of this.#options.connections()) {
      if (connection.state === "closing") continue;
      const bytes = bytesHeard(connection.client);
      if (bytes !== connection.heardBytes) {
        connection.heardBytes = bytes;
        connection.heardAt = performance.now();
        connection.quietLooks = 0;
        result.isHeard = true;
      } else if (isBusy(connection.client)) {
        connection.quietLooks += 1;
        result.isOwed = true;
        if (connection.state === "active" && connection.quietLooks >= QUIET_LOOKS) waitLong.push(connection);
      }
    }
    this.#looks += 1;
    if (waitLong.length > 0 && this.#looks % ASKING_LOOKS === 0) this.#options.waitLong(waitLong);
    return result;
  }

  #ask(ping: Ping | undefined): void {
    this.#probe = { ping, looks: 0 };
    void ping?.answered.then(() => {
      if (this.#probe?.ping === ping) this.#heard();
    });
  }

  /** One question at a time, each with its limit; the first that is answered ends the silence. */
  #askAgain(): void {
    if (this.#probe) {
      this.#probe.looks += 1;
      if (this.#probe.looks < PROBE_LOOKS) return;
      this.#endProbe();
    }
    this.#ask(this.#options.ping());
  }

  #fallSilent(): void {
    this.#endProbe();
    this.#isSilent = true;
    this.#options.fellSilent();
    this.#askAgain();
  }

  #heard(): void {
    this.#quietLooks = 0;
    this.#endProbe();
    if (!this.#isSilent) return;
    this.#isSilent = false;
    this.#options.isBack();
  }

  #endProbe(): void {
    this.#probe?.ping?.stop();
    this.#probe = undefined;
  }
}
