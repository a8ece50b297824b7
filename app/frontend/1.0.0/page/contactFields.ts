import type { Contact } from "../../../backend/1.0.0/contact";
import type { Values } from "./dialogForm";
import { setText, within } from "./elements";

/** What the fields of the contact hold at first. */
export function fillContact({ contactName, contactEmail, contactPhone }: Contact): Values {
  return {
    contactName: contactName ?? "",
    contactEmail: contactEmail ?? "",
    contactPhone: contactPhone ?? "",
  };
}

/** The contact as it was typed; an empty field is none. */
export function readContact(values: Values): Contact {
  const { contactName = "", contactEmail = "", contactPhone = "" } = values;
  return {
    contactName: contactName === "" ? null : contactName,
    contactEmail: contactEmail === "" ? null : contactEmail,
    contactPhone: contactPhone === "" ? null : contactPhone,
  };
}

/** Shows the contact on the card of a warehouse. */
export function showContact(card: HTMLElement, contact: Contact): void {
  setText(card, ".contact-name", contact.contactName ?? "No contact");
  showLink(card, ".contact-email", "mailto:", contact.contactEmail);
  showLink(card, ".contact-phone", "tel:", contact.contactPhone);
}

function showLink(card: HTMLElement, selector: string, scheme: string, text: string | null): void {
  const link = within(card, selector, HTMLAnchorElement);
  link.textContent = text ?? "";
  link.hidden = text === null;
  link.href = `${scheme}${text ?? ""}`;
}
