import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * The original converters and transforms on the vectors of runtime/plugins/benches/records.rs. Prints
 * {@code name/vector/operation<TAB>nanoseconds for one record}: the median of nine rounds after a warm-up.
 * Arguments: cases.json, vectors.json, then what names must contain (may be left out).
 */
public class RecordBench {
    static final String TOPIC = "bench.records";
    static final long WARM_UP_NS = 3_000_000_000L;
    static final long ROUND_NS = 300_000_000L;
    static final int ROUNDS = 9;
    static final ObjectMapper JSON = new ObjectMapper();
    /** Results go here, so that the compiler cannot leave work out. */
    static volatile Object sink;

    public static void main(String[] arguments) throws Exception {
        JsonNode cases = JSON.readTree(new File(arguments[0]));
        JsonNode vectors = JSON.readTree(new File(arguments[1]));
        String only = arguments.length > 2 ? arguments[2] : "";
        for (JsonNode c : cases.get("converters")) {
            for (JsonNode vector : c.get("vectors")) {
                converter(c, vector.textValue(), vectors.get(vector.textValue()), only);
            }
        }
        for (JsonNode c : cases.get("transforms")) {
            transform(c, vectors.get(c.get("vector").textValue()), only);
        }
    }

    static void converter(JsonNode c, String vector, JsonNode parts, String only) throws Exception {
        String name = c.get("name").textValue() + "/" + vector + "/";
        if (!name.contains(only)) {
            return;
        }
        Converter converter = (Converter) Class.forName(c.get("class").textValue()).getDeclaredConstructor().newInstance();
        converter.configure(settings(c), false);
        SchemaAndValue data = envelope(parts.get("value"));
        byte[] bytes = converter.fromConnectData(TOPIC, data.schema(), data.value());
        measure(name + "write", () -> converter.fromConnectData(TOPIC, data.schema(), data.value()));
        measure(name + "read", () -> converter.toConnectData(TOPIC, bytes));
    }

    @SuppressWarnings("unchecked")
    static void transform(JsonNode c, JsonNode parts, String only) throws Exception {
        String name = c.get("name").textValue() + "/" + c.get("vector").textValue() + "/apply";
        if (!name.contains(only)) {
            return;
        }
        Transformation<SourceRecord> transform =
            (Transformation<SourceRecord>) Class.forName(c.get("class").textValue()).getDeclaredConstructor().newInstance();
        transform.configure(settings(c));
        SchemaAndValue key = envelope(parts.get("key"));
        SchemaAndValue value = envelope(parts.get("value"));
        SourceRecord record = new SourceRecord(Map.of(), Map.of(), TOPIC, null, key.schema(), key.value(), value.schema(),
            value.value(), 1_714_896_672_123L);
        measure(name, () -> transform.apply(record));
    }

    static Map<String, Object> settings(JsonNode c) {
        Map<String, Object> settings = new HashMap<>();
        c.get("settings").fields().forEachRemaining(entry -> settings.put(entry.getKey(), entry.getValue().textValue()));
        return settings;
    }

    static SchemaAndValue envelope(JsonNode envelope) throws Exception {
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of(), false);
        return converter.toConnectData(TOPIC, JSON.writeValueAsBytes(envelope));
    }

    static void measure(String name, Supplier<Object> work) {
        run(work, WARM_UP_NS);
        double[] rounds = new double[ROUNDS];
        for (int i = 0; i < ROUNDS; i++) {
            rounds[i] = run(work, ROUND_NS);
        }
        Arrays.sort(rounds);
        System.out.printf("%s\t%.1f%n", name, rounds[ROUNDS / 2]);
    }

    /** Nanoseconds for each call. */
    static double run(Supplier<Object> work, long leastNs) {
        long calls = 0;
        long start = System.nanoTime();
        long elapsed;
        do {
            for (int i = 0; i < 100; i++) {
                sink = work.get();
            }
            calls += 100;
            elapsed = System.nanoTime() - start;
        } while (elapsed < leastNs);
        return (double) elapsed / calls;
    }
}
