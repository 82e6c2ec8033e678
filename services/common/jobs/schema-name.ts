/** The schema with a service's jobs, beside the service's own. */
export function jobsSchemaOf(service: string): string {
  return `${service}_jobs`;
}
