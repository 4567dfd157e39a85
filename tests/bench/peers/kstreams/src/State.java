import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** What is remembered of a customer, and how an event changes it. */
class State {
  private record Line(int quantity, double price) {}

  private static final double DAY_MS = 86_400_000;
  private static final double Z90 = 1.28;
  private static final double SHRUNK = -1.5;
  private static final int FIXED = 76;
  private static final int MOST_PER_LINE = 64;  // the load's product ids have six bytes

  private int orders, views;
  private long last, touched;
  private double gaps, gapsSquared, basket, basketSquares, due;
  private Map<String, Line> cart = Map.of();

  /** Change by an event; whether it calls for a trigger. */
  boolean fold(Event event) {
    switch (event.type) {
      case "order.completed":
        return order(event);
      case "cart.item_added":
        if (cart.isEmpty()) cart = new LinkedHashMap<>();
        cart.merge(event.product_id, new Line(event.quantity, event.price),
            (old, added) -> new Line(old.quantity + added.quantity, added.price));
        touched = event.occurred_at;
        return false;
      default:
        views++;
        return false;
    }
  }

  private boolean order(Event event) {
    if (orders > 0) {
      double gap = Math.log(Math.max(event.occurred_at - last, 1) / DAY_MS);
      gaps += gap;
      gapsSquared += gap * gap;
    }
    orders++;
    last = event.occurred_at;
    double size = Math.log(event.total + 1), distance = size - basket;
    basket += distance / orders;
    basketSquares += distance * (size - basket);
    cart = Map.of();
    due = last + DAY_MS * Math.exp(gaps / Math.max(orders - 1, 1) + Z90);
    return distance < SHRUNK;
  }

  static Serde<State> serde() {
    return Serdes.serdeFrom((topic, state) -> state.encode(), (topic, bytes) -> decode(bytes));
  }

  private byte[] encode() {
    ByteBuffer out = ByteBuffer.allocate(FIXED + cart.size() * MOST_PER_LINE);
    out.putInt(orders).putInt(views).putLong(last).putLong(touched);
    out.putDouble(gaps).putDouble(gapsSquared).putDouble(basket).putDouble(basketSquares).putDouble(due);
    out.putInt(cart.size());
    cart.forEach((product, line) -> {
      byte[] name = product.getBytes(StandardCharsets.UTF_8);
      out.put((byte) name.length).put(name).putInt(line.quantity).putDouble(line.price);
    });
    return Arrays.copyOf(out.array(), out.position());
  }

  private static State decode(byte[] bytes) {
    if (bytes == null) return null;
    ByteBuffer in = ByteBuffer.wrap(bytes);
    State state = new State();
    state.orders = in.getInt();
    state.views = in.getInt();
    state.last = in.getLong();
    state.touched = in.getLong();
    state.gaps = in.getDouble();
    state.gapsSquared = in.getDouble();
    state.basket = in.getDouble();
    state.basketSquares = in.getDouble();
    state.due = in.getDouble();
    int lines = in.getInt();
    if (lines > 0) state.cart = new LinkedHashMap<>();
    for (int i = 0; i < lines; i++) {
      byte[] name = new byte[in.get()];
      in.get(name);
      state.cart.put(new String(name, StandardCharsets.UTF_8), new Line(in.getInt(), in.getDouble()));
    }
    return state;
  }
}
