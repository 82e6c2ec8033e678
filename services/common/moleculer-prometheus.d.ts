/** The package ships no types; `monitoring.ts` says what it uses. */
declare module "moleculer-prometheus" {
  const schema: object;
  export default schema;
}
