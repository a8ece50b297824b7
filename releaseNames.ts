import { loginOf } from "./components/databaseRoles";
import { nameOfRelease } from "./components/workload";

/** Characters of a DNS label (RFC 1123), and bytes of a name in PostgreSQL: both are cut at the same. */
const mostCharacters = 63;
/** Separators become hyphens and underscores, so that there may be none at the end nor two in a row. */
const version = /^[a-z0-9]+([._-][a-z0-9]+)*$/;

/** Whether a namespace can have this name. */
export function isLabel(text: string): boolean {
  return text.length <= mostCharacters && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text);
}

/**
 * What keeps the releases of a folder from having roles and objects of their own, one line each.
 * @param application prefix of the roles
 * @param versions of all releases there are: each has its login, whichever one runs
 */
export function findNameMistakes(application: string, versions: readonly string[]): string[] {
  const named = new Map<string, string>();
  return versions.flatMap((release) => {
    if (!version.test(release)) {
      return `${release}.yaml: a version is lower-case letters and digits, between them single dots, hyphens or underscores`;
    }
    const service = nameOfRelease("frontend", release);
    const mistakes = Object.entries({ role: loginOf(application, release), Service: service })
      .filter(([, name]) => name.length > mostCharacters)
      .map(([kind, name]) => {
        const excess = `has ${name.length} characters, of ${mostCharacters} at most`;
        return `${release}.yaml: its ${kind} ${name} ${excess}`;
      });
    // As the Services are told apart, so are the roles.
    const other = named.get(service);
    if (other !== undefined) {
      mistakes.push(`${release}.yaml: its Service ${service} is that of ${other}.yaml too`);
    }
    named.set(service, release);
    return mistakes;
  });
}
