import java.nio.charset.StandardCharsets;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** Folds each event into its customer's state; forwards triggers. One thread runs all of them. */
class Decide implements Processor<String, Event, String, byte[]> {
  static final String STORE = "customers";
  private static final long EVENTS = Long.parseLong(System.getenv("PEER_EVENTS"));
  private static long events, customers, triggers;

  private ProcessorContext<String, byte[]> context;
  private KeyValueStore<String, State> store;

  @Override
  public void init(ProcessorContext<String, byte[]> given) {
    context = given;
    store = given.getStateStore(STORE);
  }

  @Override
  public void process(Record<String, Event> record) {
    State known = store.get(record.key());
    State state = known == null ? new State() : known;
    boolean fired = state.fold(record.value());
    store.put(record.key(), state);
    if (fired) {
      String value = "{\"order_id\":\"" + record.value().order_id + "\"}";
      context.forward(record.withValue(value.getBytes(StandardCharsets.UTF_8)));
    }
    tell(known == null, fired);
  }

  private static void tell(boolean isNew, boolean fired) {
    events++;
    if (isNew) customers++;
    if (fired) triggers++;
    if (events == 1 || events == EVENTS / 2 || events == EVENTS) {
      System.out.println("peer {\"events\": " + events + ", \"customers\": " + customers + ", \"triggers\": " + triggers
          + ", \"time\": " + System.currentTimeMillis() / 1e3 + "}");
    }
  }
}
