/**
 * Sends a mail through Postroom, and tells what became of it for each recipient.
 *
 *     npm install && npm run build
 *     npm start -- [--request-id ID] [--attach FILE] RECIPIENT...
 *
 * Exit status: 0 all have it, 1 not all have it, 2 the call failed.
 */
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { type DeliveryResult } from "../gen/postroom/v1/delivery.js";
import { SendMessageRequest, type SendMessageResponse } from "../gen/postroom/v1/send.js";
import { connect } from "./connect.js";
import { explain } from "./explain.js";
import { sendLarge } from "./large.js";

// The time of the whole call. It reaches the service, which answers before it is up.
const TIMEOUT_MS = 30_000;

const { values, positionals: recipients } = parseArgs({
  allowPositionals: true,
  options: {
    // Sending again with the same id makes no second mail.
    "request-id": { type: "string", default: randomUUID() },
    attach: { type: "string" },
  },
});
const requestId = values["request-id"];

if (recipients.length === 0) {
  console.error("name at least one recipient");
  process.exit(2);
}
try {
  const result = await send();
  show(result);
  process.exitCode = result.status === "DELIVERY_STATUS_SUCCESS" ? 0 : 1;
} catch (error) {
  explain(error as ServiceError | Error, requestId);
  process.exitCode = 2;
}

async function send(): Promise<DeliveryResult> {
  const service = connect();
  const request = SendMessageRequest.fromPartial({
    content: {
      $case: "message",
      value: {
        to: recipients.map((address) => ({ address })),
        subject: "Hello from Node",
        text: { $case: "textBody", value: "It works.\n" },
      },
    },
    requestId,
  });
  const deadline = new Date(Date.now() + TIMEOUT_MS);
  try {
    const { outcome } = values.attach
      ? await sendLarge(service, request, values.attach, deadline)
      : await new Promise<SendMessageResponse>((resolve, reject) =>
          service.sendMessage(request, new Metadata(), { deadline }, (error, answer) =>
            error ? reject(error) : resolve(answer),
          ),
        );
    if (outcome?.$case !== "result") throw new Error("an answer without a result");
    return outcome.value;
  } finally {
    service.close();
  }
}

/** Prints the status, and each recipient with the relay's own words. */
function show(result: DeliveryResult): void {
  console.log(result.status.replace("DELIVERY_STATUS_", ""), result.delivery);
  for (const { address, status, reply, detail } of result.recipients) {
    const why = reply ? `${reply.code} ${reply.enhancedCode} ${reply.text}` : detail;
    console.log(`  ${address} ${status.replace("RECIPIENT_STATUS_", "")} ${why}`);
  }
}
