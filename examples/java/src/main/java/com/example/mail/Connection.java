package com.example.mail;

import com.google.gson.Gson;
import io.grpc.CallCredentials;
import io.grpc.ChannelCredentials;
import io.grpc.CompositeChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/** The way to the service. */
final class Connection {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private Connection() {}

  /**
   * Reads POSTROOM_TARGET, POSTROOM_CA_FILE (speak TLS, and trust these authorities) and
   * POSTROOM_TOKEN (who is calling; needs TLS). The connection is made with the first call, and
   * serves any number of threads.
   */
  static ManagedChannel open() throws IOException {
    String target = System.getenv().getOrDefault("POSTROOM_TARGET", "localhost:50051");
    return Grpc.newChannelBuilder(target, credentials())
        .defaultServiceConfig(serviceConfig())
        // A dead link is noticed after 40 s, even while nothing is sent.
        // The service allows a ping each 10 s.
        .keepAliveTime(30, TimeUnit.SECONDS)
        .keepAliveTimeout(10, TimeUnit.SECONDS)
        .keepAliveWithoutCalls(true)
        .build();
  }

  /** Calls that end UNAVAILABLE are made again, and no others. */
  @SuppressWarnings("unchecked")
  private static Map<String, ?> serviceConfig() throws IOException {
    try (var file = Connection.class.getResourceAsStream("/service_config.json")) {
      return new Gson().fromJson(new InputStreamReader(file, StandardCharsets.UTF_8), Map.class);
    }
  }

  private static ChannelCredentials credentials() throws IOException {
    String authorities = System.getenv("POSTROOM_CA_FILE");
    String token = System.getenv("POSTROOM_TOKEN");
    if (authorities == null) {
      if (token != null) {
        throw new IOException("a token must not travel in plain text: set POSTROOM_CA_FILE");
      }
      return InsecureChannelCredentials.create();
    }
    var tls = TlsChannelCredentials.newBuilder().trustManager(new File(authorities)).build();
    return token == null ? tls : CompositeChannelCredentials.create(tls, bearer(token));
  }

  private static CallCredentials bearer(String token) {
    return new CallCredentials() {
      @Override
      public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier to) {
        var headers = new Metadata();
        headers.put(AUTHORIZATION, "Bearer " + token);
        to.apply(headers);
      }
    };
  }
}
