import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type DeliveryServiceClient } from "../gen/postroom/v1/delivery_service.js";
import { Attachment } from "../gen/postroom/v1/message.js";
import { type SendMessageRequest } from "../gen/postroom/v1/send.js";
import {
  SendMessageStreamRequest,
  type SendMessageStreamResponse,
} from "../gen/postroom/v1/send_stream.js";

const CHUNK_SIZE = 64 * 1024;

/** Streams the file as an attachment: a header, chunks, an end. */
export async function sendLarge(
  service: DeliveryServiceClient,
  request: SendMessageRequest,
  path: string,
  deadline: Date,
): Promise<SendMessageStreamResponse> {
  if (request.content?.$case !== "message") throw new Error("only a message has attachments");
  request.content.value.attachments.push(
    Attachment.fromPartial({
      filename: basename(path),
      contentType: "application/octet-stream",
      content: { $case: "blob", value: "parts/file" },
    }),
  );
  return new Promise((resolve, reject) => {
    const call = service.sendMessageStream({ deadline }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
    // A call is a Writable of frames, though its type does not say so.
    const frames = Readable.from(framesOf(request, path));
    pipeline(frames, call as unknown as Writable).catch((error) => {
      // What breaks off must not look like what ended.
      call.cancel();
      reject(error);
    });
  });
}

async function* framesOf(request: SendMessageRequest, path: string) {
  yield frame({ $case: "header", value: request });
  const hash = createHash("sha256");
  let size = 0;
  const file = await open(path);
  for await (const data of file.createReadStream({ highWaterMark: CHUNK_SIZE })) {
    // Only the first chunk of a part names it.
    yield frame({ $case: "chunk", value: { part: size ? "" : "parts/file", data } });
    hash.update(data);
    size += data.length;
  }
  yield frame({ $case: "end", value: { sizeBytes: size, sha256: hash.digest() } });
}

function frame(content: SendMessageStreamRequest["frame"]): SendMessageStreamRequest {
  return { frame: content };
}
