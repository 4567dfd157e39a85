import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;

/** An event of the load. */
@JsonIgnoreProperties(ignoreUnknown = true)
public class Event {
  @JsonIgnoreProperties(ignoreUnknown = true)
  public static class Item {
    public String product_id, category;
    public int quantity;
    public double price;
  }

  private static final ObjectReader READER = new ObjectMapper().readerFor(Event.class);

  public String type, event_id, customer_id, product_id, category, order_id, currency;
  public long occurred_at;
  public int quantity;
  public double price, total;
  public List<Item> items;

  static Event decode(String topic, byte[] json) {
    try {
      return READER.readValue(json);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
