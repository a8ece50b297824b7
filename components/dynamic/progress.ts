const leastMilliseconds = 1_000;

/**
 * Live lines for whoever watches `pulumi up`. Pulumi shows a provider's stdout without the
 * resource's name, so each line begins with it; at most one a second, and always the last.
 */
export function reportProgress(name: string): (line: string) => void {
  let last = -Infinity;
  let held: { line: string; timer: NodeJS.Timeout } | undefined;
  const print = (line: string): void => {
    last = Date.now();
    console.log(`${name}: ${line}`);
  };
  return (line) => {
    if (held) clearTimeout(held.timer);
    held = undefined;
    const wait = last + leastMilliseconds - Date.now();
    if (wait <= 0) print(line);
    else
      held = {
        line,
        timer: setTimeout(() => {
          print(line);
        }, wait),
      };
  };
}
