import { serveFrontend } from "./serveFrontend";

serveFrontend();
