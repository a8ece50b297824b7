import { UserError } from "../../userError";

/** Others held a lock until the deadline: the same work may well pass later. */
export class StillBlocked extends UserError {}
