/**
 * One kind of dynamic resource, as the implementation behind the stub sees it. Create and update
 * are the same idempotent reconcile, because the database, not Pulumi's state, is the truth.
 *
 * @typeParam I what is declared; names and plain values, never a secret
 * @typeParam O what was found or made, stored in Pulumi's state
 */
export interface ResourceKind<I extends object, O extends object> {
  /** The resource's id in Pulumi's state. */
  identify(inputs: I): string;
  /** Refuses, by throwing, what may not be; asked in previews too. */
  check?(inputs: I): Promise<void>;
  /** Makes it so, or finds it so. Runs again after any failure. */
  reconcile(inputs: I): Promise<O>;
  /** What is there now; undefined when it is gone. Differences go into the output `drift`. */
  read(inputs: I): Promise<O | undefined>;
  /**
   * Removes what it owns in the cluster, when it is no longer declared. Kinds that stand for data
   * have none: they are forgotten, never undone.
   */
  remove?(inputs: I): Promise<void>;
}

/** A kind as a preview needs it: which inputs to compare, and where the implementation is. */
export interface DeclaredKind<I extends object, O extends object> {
  /** The declared inputs by name: what is stored and compared. */
  readonly inputs: readonly (keyof I & string)[];
  /** Inputs whose change alone is no change of the resource. */
  readonly ignored?: readonly (keyof I & string)[];
  /** Whether the implementation's `check` is to be asked; it is loaded for it. */
  readonly isChecked?: (inputs: I, previous: I | undefined) => boolean;
  /** Inputs whose change makes another resource, while the old one is still there. */
  readonly replacing?: readonly (keyof I & string)[];
  /** Whether the implementation has a `remove`; it is loaded for it. */
  readonly isRemoved?: boolean;
  readonly load: () => Promise<ResourceKind<I, O>>;
}
