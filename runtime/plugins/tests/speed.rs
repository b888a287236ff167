//! How fast a change event becomes JSON. Run with `cargo test --release -p couplet-plugins --test speed -- --ignored
//! --nocapture`.

use std::time::Instant;

use bytes::BytesMut;
use couplet_api::data::{Datum, Schema, SchemaBuilder, SchemaRef, Struct, Value};
use couplet_plugins::json::{JsonOptions, JsonWriter, read_value};

fn row_schema() -> SchemaRef {
    let texts = ["account", "currency", "iban", "purpose", "status", "channel", "country", "reference"];
    let builder = SchemaBuilder::structure().name("bank.public.transactions.Value").optional();
    let builder = builder.field("id", Schema::int64()).field("amount", SchemaBuilder::decimal(2).build());
    let builder = texts.iter().fold(builder, |b, name| b.field(*name, Schema::optional_string()));
    let builder = builder.field("balance", Schema::float64()).field("booked", SchemaBuilder::timestamp().build());
    (0..8).fold(builder, |b, i| b.field(format!("n{i}"), Schema::int32())).build()
}

fn row(schema: &SchemaRef, id: i64) -> Value {
    let amount = format!("{}.{:02}", id % 9973, id % 100).parse().expect("decimal");
    let mut values = vec![Value::Int64(id), Value::Decimal(std::sync::Arc::new(amount))];
    values.extend((0..8).map(|i| Value::from(format!("text number {i} of {id}"))));
    values.extend([Value::Float64(id as f64 * 1.25), Value::Date(1_700_000_000_000 + id)]);
    values.extend((0..8).map(|i| Value::Int32(i * 1000)));
    Struct::new(schema.clone(), values).into()
}

fn event() -> Datum {
    let row_schema = row_schema();
    let names = ["version", "connector", "name", "snapshot", "db", "schema", "table"];
    let source = names.iter().fold(SchemaBuilder::structure().name("source"), |b, n| b.field(*n, Schema::string()));
    let source = source.field("ts_ms", Schema::int64()).field("lsn", Schema::int64()).build();
    let mut values: Vec<Value> = names.iter().map(|n| Value::str(*n)).collect();
    values.extend([Value::Int64(1), Value::Int64(2)]);
    let envelope = SchemaBuilder::structure()
        .name("bank.public.transactions.Envelope")
        .field("before", row_schema.clone())
        .field("after", row_schema.clone())
        .field("source", source.clone())
        .field("op", Schema::string())
        .field("ts_ms", Schema::optional_int64())
        .build();
    let source = Struct::new(source, values).into();
    let fields = vec![row(&row_schema, 41), row(&row_schema, 42), source, Value::str("u"), Value::Int64(3)];
    Datum::new(envelope.clone(), Struct::new(envelope, fields))
}

#[allow(clippy::print_stdout, reason = "the measurement is the result")]
fn measure(label: &str, mut each: impl FnMut()) {
    const ROUNDS: u32 = 200_000;
    (0..ROUNDS / 10).for_each(|_| each());
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| each());
    let elapsed = start.elapsed();
    println!(
        "{label}: {:.0} events/s, {} ns each",
        f64::from(ROUNDS) / elapsed.as_secs_f64(),
        (elapsed / ROUNDS).as_nanos()
    );
}

#[test]
#[ignore = "a measurement, not a check"]
fn change_events_per_second() {
    let event = event();
    let writer = JsonWriter::new(JsonOptions::default(), 1000);
    let mut out = BytesMut::with_capacity(1 << 16);
    measure("write with schema", || {
        out.clear();
        writer.write_envelope(&event, &mut out).expect("written");
    });
    let length = out.len();
    assert!(length > 500, "{length} bytes");
    measure("write without schema", || {
        out.clear();
        writer.write(&event, &mut out).expect("written");
    });
    let length = out.len();
    assert!(length > 500, "{length} bytes");
    let bytes = out.freeze();
    measure("read without schema", || {
        read_value(&bytes).expect("read");
    });
}
