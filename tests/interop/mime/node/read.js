// Tells, for each mail on standard input, what mailparser reads in it, as a line of
// JSON.  A mail comes behind a line with the number of its octets.
import { createHash } from "node:crypto";
import libmime from "libmime";
import { simpleParser } from "mailparser";

const OPTIONS = {
  skipHtmlToText: true,
  skipTextToHtml: true,
  skipImageLinks: true,
  skipTextLinks: true,
  keepCidLinks: true,
  maxHtmlLengthToParse: Infinity,
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

// What a header says; mailparser itself decodes those only that it knows.
function texts(headerLines) {
  const found = {};
  for (const { key, line } of headerLines) {
    const value = line.slice(line.indexOf(":") + 1).replace(/\r?\n/g, "");
    (found[key] ??= []).push(libmime.decodeWords(value.trim()));
  }
  return found;
}

async function read(octets) {
  const mail = await simpleParser(octets, OPTIONS);
  return {
    subject: mail.subject,
    date: mail.date.getTime() / 1000,
    message_id: mail.messageId,
    from: mailboxes(mail.from),
    sender: mailboxes(mail.headers.get("sender")),
    to: mailboxes(mail.to),
    cc: mailboxes(mail.cc),
    reply_to: mailboxes(mail.replyTo),
    headers: texts(mail.headerLines),
    text: mail.text === undefined ? null : mail.text,
    html: mail.html === false ? null : mail.html,
    files: mail.attachments.map((file) => [
      file.filename,
      file.contentType,
      file.contentId ?? "",
      file.contentDisposition,
      hash(file.content),
    ]),
    places: mail.attachments.map((file) => file.partId),
    related: mail.attachments.map((file) => file.related),
  };
}

let held = Buffer.alloc(0);
for await (const block of process.stdin) {
  held = Buffer.concat([held, block]);
  const end = held.indexOf("\n");
  if (end < 0) continue;
  const size = Number(held.subarray(0, end).toString());
  if (held.length < end + 1 + size) continue;
  const octets = held.subarray(end + 1, end + 1 + size);
  held = Buffer.alloc(0); // the next comes when this one was answered
  process.stdout.write(JSON.stringify(await read(octets)) + "\n");
}
