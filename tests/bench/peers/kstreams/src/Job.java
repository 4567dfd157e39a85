import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.Stores;

/** The job on Kafka Streams: one processor over both topics, a store with a changelog topic, one thread. */
public class Job {
  public static void main(String[] arguments) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("PEER_NAME"));
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("PEER_BROKERS"));
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, System.getenv("PEER_GUARANTEE"));
    settings.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("PEER_FOLDER"));
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");

    KafkaStreams streams = new KafkaStreams(topology(), settings);
    streams.setUncaughtExceptionHandler(error -> {
      error.printStackTrace();
      return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
    });
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }

  private static Topology topology() {
    var supplier = System.getenv("PEER_STORE").equals("memory")
        ? Stores.inMemoryKeyValueStore(Decide.STORE)
        : Stores.persistentKeyValueStore(Decide.STORE);
    return new Topology()
        .addSource("events", new StringDeserializer(), Event::decode, System.getenv("PEER_TOPICS").split(","))
        .addProcessor("decide", Decide::new, "events")
        .addStateStore(Stores.keyValueStoreBuilder(supplier, Serdes.String(), State.serde()), "decide")
        .addSink("triggers", System.getenv("PEER_OUTPUT"), new StringSerializer(), new ByteArraySerializer(), "decide");
  }
}
