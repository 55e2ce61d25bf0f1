package com.example.mail;

import com.postroom.v1.DeliveryResult;
import com.postroom.v1.DeliveryServiceGrpc;
import com.postroom.v1.DeliveryStatus;
import com.postroom.v1.Mailbox;
import com.postroom.v1.Message;
import com.postroom.v1.SendMessageRequest;
import io.grpc.ManagedChannel;
import io.grpc.StatusException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * Sends a mail through Postroom, and tells what became of it for each recipient.
 *
 * <pre>
 * mvn compile
 * mvn exec:java -Dexec.args="[--request-id ID] [--attach FILE] RECIPIENT..."
 * </pre>
 *
 * Exit status: 0 all have it, 1 not all have it, 2 the call failed.
 */
public final class Main {
  /** The time of the whole call. It reaches the service, which answers before it is up. */
  private static final long TIMEOUT_SECONDS = 30;

  /** Sending again with the same id makes no second mail. */
  private String requestId = UUID.randomUUID().toString();

  private Path attachment;
  private final Deque<String> recipients = new ArrayDeque<>();

  private Main(String... arguments) {
    Deque<String> left = new ArrayDeque<>(List.of(arguments));
    while (!left.isEmpty()) {
      String argument = left.pop();
      switch (argument) {
        case "--request-id" -> requestId = left.pop();
        case "--attach" -> attachment = Path.of(left.pop());
        default -> recipients.add(argument);
      }
    }
  }

  public static void main(String... arguments) throws Exception {
    System.exit(new Main(arguments).run());
  }

  private int run() throws Exception {
    if (recipients.isEmpty()) {
      System.err.println("name at least one recipient");
      return 2;
    }
    try {
      DeliveryResult result = connectAndSend();
      show(result);
      return result.getStatus() == DeliveryStatus.DELIVERY_STATUS_SUCCESS ? 0 : 1;
    } catch (StatusException error) {
      Refusal.explain(error, requestId);
    } catch (IOException error) {
      System.err.println(error);
    }
    return 2;
  }

  private DeliveryResult connectAndSend() throws Exception {
    ManagedChannel channel = Connection.open();
    try {
      return send(channel);
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  private DeliveryResult send(ManagedChannel channel) throws Exception {
    var service =
        DeliveryServiceGrpc.newBlockingV2Stub(channel)
            .withDeadlineAfter(TIMEOUT_SECONDS, TimeUnit.SECONDS);
    var message = Message.newBuilder().setSubject("Hello from Java").setTextBody("It works.\n");
    recipients.forEach(address -> message.addTo(Mailbox.newBuilder().setAddress(address)));
    var request = SendMessageRequest.newBuilder().setMessage(message).setRequestId(requestId);
    if (attachment != null) {
      return LargeMail.send(service, request, attachment);
    }
    return service.sendMessage(request.build()).getResult();
  }

  /** Prints the status, and each recipient with the relay's own words. */
  private static void show(DeliveryResult result) {
    String status = result.getStatus().name().replace("DELIVERY_STATUS_", "");
    System.out.println(status + " " + result.getDelivery());
    for (var recipient : result.getRecipientsList()) {
      String fate = recipient.getStatus().name().replace("RECIPIENT_STATUS_", "");
      var reply = recipient.getReply();
      String why =
          recipient.hasReply()
              ? reply.getCode() + " " + reply.getEnhancedCode() + " " + reply.getText()
              : recipient.getDetail();
      System.out.println("  " + recipient.getAddress() + " " + fate + " " + why);
    }
  }
}
