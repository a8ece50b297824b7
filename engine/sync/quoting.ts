/** How names and texts are written into SQL. */
export interface Quoting {
  readonly name: (name: string) => string;
  readonly text: (text: string) => string;
}
