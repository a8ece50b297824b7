/**
 * How a person corrects a migration of which expand.sql, and nothing after it, has been applied:
 * history refuses an edit of expand.sql until it is taken back.
 * @param what may be done as it stands, like `correct sync.yaml`
 */
export function correctionOf(id: string, what: string): string {
  return `${what}, then run the same command again; to change expand.sql, npm run migrations -- abort ${id} before you do`;
}
