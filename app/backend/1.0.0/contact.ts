import { text } from "./input";

/** Whom to ask in a warehouse. */
export interface Contact {
  contactName: string | null;
  contactEmail: string | null;
  contactPhone: string | null;
}

const contactName = text(200).nullable();
const contactEmail = text(254)
  .regex(/^[^\s@]+@[^\s@]+$/, "must be an e-mail address")
  .nullable();
const contactPhone = text(40)
  .regex(/^[+()\d\s./x-]+$/, "must be a telephone number")
  .nullable();

/** The fields of a contact in a request that changes one. */
export const contactChange = { contactName, contactEmail, contactPhone };

/** The fields of a contact in a request that adds one. */
export const newContact = {
  contactName: contactName.default(null),
  contactEmail: contactEmail.default(null),
  contactPhone: contactPhone.default(null),
};
