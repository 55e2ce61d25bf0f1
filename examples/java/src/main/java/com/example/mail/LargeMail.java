package com.example.mail;

import com.google.protobuf.ByteString;
import com.postroom.v1.Attachment;
import com.postroom.v1.ContentEnd;
import com.postroom.v1.DeliveryResult;
import com.postroom.v1.DeliveryServiceGrpc.DeliveryServiceBlockingV2Stub;
import com.postroom.v1.PartChunk;
import com.postroom.v1.SendMessageRequest;
import com.postroom.v1.SendMessageStreamRequest;
import com.postroom.v1.SendMessageStreamResponse;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** A mail of any size: a header, chunks, an end. */
final class LargeMail {
  private static final int CHUNK_SIZE = 64 * 1024;

  private final BlockingClientCall<SendMessageStreamRequest, SendMessageStreamResponse> call;
  private final MessageDigest hash;
  private long size;

  private LargeMail(DeliveryServiceBlockingV2Stub service) throws NoSuchAlgorithmException {
    call = service.sendMessageStream();
    hash = MessageDigest.getInstance("SHA-256");
  }

  /** Sends what is asked for, with the file as an attachment that is streamed. */
  static DeliveryResult send(
      DeliveryServiceBlockingV2Stub service, SendMessageRequest.Builder request, Path path)
      throws Exception {
    request
        .getMessageBuilder()
        .addAttachments(
            Attachment.newBuilder()
                .setFilename(path.getFileName().toString())
                .setContentType("application/octet-stream")
                .setBlob("parts/file"));
    try (InputStream file = Files.newInputStream(path)) {
      return new LargeMail(service).upload(request, file);
    }
  }

  private DeliveryResult upload(SendMessageRequest.Builder request, InputStream file)
      throws IOException, InterruptedException, StatusException {
    try {
      // A write is false once the service has answered, which may be before the end.
      boolean going = call.write(SendMessageStreamRequest.newBuilder().setHeader(request).build());
      byte[] data = file.readNBytes(CHUNK_SIZE);
      while (going && data.length > 0) {
        going = call.write(chunk(data));
        data = file.readNBytes(CHUNK_SIZE);
      }
      if (going) {
        call.write(end());
        call.halfClose();
      }
      return call.read().getResult();
    } catch (IOException error) {
      // What breaks off must not look like what ended.
      call.cancel("the file could not be read", error);
      throw error;
    }
  }

  private SendMessageStreamRequest chunk(byte[] data) {
    var chunk = PartChunk.newBuilder().setData(ByteString.copyFrom(data));
    if (size == 0) {
      // Only the first chunk of a part names it.
      chunk.setPart("parts/file");
    }
    hash.update(data);
    size += data.length;
    return SendMessageStreamRequest.newBuilder().setChunk(chunk).build();
  }

  private SendMessageStreamRequest end() {
    var end = ContentEnd.newBuilder().setSizeBytes(size).setSha256(ByteString.copyFrom(hash.digest()));
    return SendMessageStreamRequest.newBuilder().setEnd(end).build();
  }
}
