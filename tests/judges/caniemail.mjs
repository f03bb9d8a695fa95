// Prints what Gmail, Apple Mail and Outlook do not know of the HTML on standard input: {client: [feature]}.
import { readFileSync } from "node:fs";
import { caniemail } from "caniemail";

const { issues } = caniemail({ clients: ["gmail.*", "apple-mail.*", "outlook.*"], html: readFileSync(0, "utf8") });
const features = [...issues.errors].map(([client, found]) => [client, [...new Set(found.map((issue) => issue.title))]]);
console.log(JSON.stringify(Object.fromEntries(features)));
