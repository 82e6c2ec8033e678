import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

interface MediaType {
  readonly schema: object;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, MediaType>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, MediaType>> }>>;
}

export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
}

/** A reply of the API. */
export interface CheckedReply {
  readonly method: string;
  /** With or without `/api` and a query. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string | null;
  readonly text: string;
}

export interface ReplyCheck {
  /** How a reply is not what the document says; undefined when it is, or when the document has no such operation. */
  faultOf(reply: CheckedReply): string | undefined;
  /** How a value is not what a schema of the document says. */
  faultsOf(schema: object, value: unknown): string | undefined;
}

/** Checks replies against an OpenAPI document. */
export function replyCheck(document: OpenApiDocument): ReplyCheck {
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: "openapi.json", components: document.components });
  const paths = Object.keys(document.paths).map((path) => ({
    path,
    // A fixed step is nearer than one that is a parameter.
    parameters: path.split("{").length,
    pattern: new RegExp(`^(?:/api)?${path.replaceAll(/\{\w+\}/g, "[^/]+")}/?$`, "i"),
  }));
  paths.sort((one, other) => one.parameters - other.parameters);
  const validators = new Map<object, ReturnType<typeof ajv.compile>>();

  function faultsOf(schema: object, value: unknown): string | undefined {
    let validate = validators.get(schema);
    if (!validate) {
      validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi.json#/')));
      validators.set(schema, validate);
    }
    if (validate(value)) return undefined;
    return validate.errors?.map(({ instancePath, message }) => `${instancePath} ${message}`).join("; ");
  }

  return {
    faultsOf,
    faultOf({ method, path, status, contentType, text }) {
      const bare = path.split("?", 1)[0] as string;
      const found = paths.find(({ pattern }) => pattern.test(bare))?.path;
      const operation = found && document.paths[found]?.[method.toLowerCase()];
      if (!operation) return undefined;
      const declared = operation.responses[String(status)];
      if (!declared) return `${method} ${found} answered ${status}, which is not in the document: ${text}`;
      if (!declared.content) return text === "" ? undefined : `${method} ${found}: ${status} has no body`;
      const media = declared.content[contentType?.split(";", 1)[0] ?? ""];
      if (!media) return `${method} ${found}: ${status} as ${contentType} is not in the document`;
      const faults = faultsOf(media.schema, JSON.parse(text));
      return (
        faults && `${method} ${found}: ${status} is not as documented: ${faults} in ${text.slice(0, 500)}`
      );
    },
  };
}
