// Prints, for each mail in a folder, what mailparser reads in it, as a line of JSON.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { simpleParser } from "mailparser";

const OPTIONS = {
  skipHtmlToText: true,
  skipTextToHtml: true,
  skipImageLinks: true,
  skipTextLinks: true,
};

function mailboxes(field) {
  const lists = field === undefined ? [] : [field].flat();
  return lists
    .flatMap((list) => list.value)
    .flatMap((entry) => (entry.group === undefined ? [entry] : entry.group))
    .map((entry) => [entry.name, entry.address]);
}

function hash(content) {
  return createHash("sha256").update(content).digest("hex");
}

const folder = process.argv[2];
for (const name of readdirSync(folder).sort()) {
  const mail = await simpleParser(readFileSync(join(folder, name)), OPTIONS);
  const read = {
    subject: mail.subject,
    from: mailboxes(mail.from),
    to: mailboxes(mail.to),
    cc: mailboxes(mail.cc),
    reply_to: mailboxes(mail.replyTo),
    names: mail.headerLines.map((header) => header.key),
    text: mail.text === undefined ? null : mail.text,
    html: mail.html === false ? null : mail.html,
    files: mail.attachments.map((file) => [
      file.filename,
      file.contentType,
      file.contentId ?? "",
      file.contentDisposition,
      hash(file.content),
    ]),
  };
  console.log(JSON.stringify(read));
}
