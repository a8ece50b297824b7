/** The element of that id, which index.html is known to hold. */
export function byId<E extends HTMLElement>(id: string, kind: new () => E): E {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`index.html has no ${kind.name} with the id ${id}`);
}

/** The first element inside `parent` that matches. */
export function within<E extends Element>(
  parent: ParentNode,
  selector: string,
  kind: new () => E,
): E {
  const element = parent.querySelector(selector);
  if (element instanceof kind) return element;
  throw new Error(`index.html has no ${kind.name} that matches ${selector}`);
}

/** A copy of the one element that a template holds. */
export function fromTemplate(id: string): HTMLElement {
  const { content } = byId(id, HTMLTemplateElement);
  const copy = document.importNode(content, true).firstElementChild;
  if (copy instanceof HTMLElement) return copy;
  throw new Error(`index.html has no element in the template ${id}`);
}

export function setText(parent: ParentNode, selector: string, text: string): void {
  within(parent, selector, HTMLElement).textContent = text;
}

/** Puts `children` in the place of what `parent` holds, and the focus back where it was. */
export function replaceChildren(parent: HTMLElement, children: readonly HTMLElement[]): void {
  const focused = document.activeElement;
  const hadFocus = focused instanceof HTMLElement && parent.contains(focused);
  parent.replaceChildren(...children);
  if (!hadFocus) return;
  const next = focused.isConnected ? focused : byId("main", HTMLElement);
  next.focus({ preventScroll: true });
}

/** Says what happened, on the page and to screen readers, for some seconds. */
export function announce(text: string): void {
  const toast = byId("toast", HTMLElement);
  toast.textContent = text;
  clearTimeout(fading);
  fading = setTimeout(() => (toast.textContent = ""), 6_000);
}
let fading: ReturnType<typeof setTimeout> | undefined;
