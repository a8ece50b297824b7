import { serveFrontend } from "../1.0.0/serveFrontend";

serveFrontend();
