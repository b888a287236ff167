//! Offsets of a connector (KIP-875).

use couplet_api::data::{OffsetMap, Value as ConnectValue};
use http::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::body;
use super::connectors::found;
use super::dispatch::Call;
use super::respond::{self, Answer, Failure};
use crate::herder::{ConnectorType, OffsetEntry};
use crate::worker::TargetState;

/// What is stored.
pub(super) async fn get(call: &Call<'_>, name: &str) -> Answer {
    let entries = call.within_limit(call.state.herder.offsets(name)).await?;
    let view = |entry: &OffsetEntry| json!({ "partition": to_json(&entry.partition), "offset": entry.offset.as_ref().map(to_json) });
    respond::ok(&json!({ "offsets": entries.iter().map(view).collect::<Vec<_>>() }))
}

/// Stores offsets of a stopped connector.
pub(super) async fn alter(call: &Call<'_>, name: &str) -> Answer {
    let request = body::object(&call.body, "an object with offsets")?;
    request.only_known(&["offsets"])?;
    let entries = entries(request.get("offsets"))?;
    if entries.is_empty() {
        return Err(Failure::bad_request("Partitions / offsets need to be provided for an alter offsets request"));
    }
    let Some(changes) = changes(entries) else {
        return Err(unless_refused_before(call, name, |kind| match kind {
            ConnectorType::Sink => {
                Failure::bad_request("The partition for a sink connector offset cannot be null or missing")
            }
            _ => Failure::internal("Partition objects cannot be null"),
        }));
    };
    let compound = changes.iter().find_map(compound_entry);
    let is_source = || found(call, name).is_ok_and(|connector| connector.kind == ConnectorType::Source);
    if let Some(problem) = compound.filter(|_| is_source()) {
        return Err(unless_refused_before(call, name, |_| Failure::internal(problem)));
    }
    let message = call.within_limit(call.state.herder.alter_offsets(name, Some(changes))).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "message": message })))
}

/// The offsets that a new connector is to begin with (KIP-995), in the form of a request to alter offsets.
///
/// # Errors
/// 400 for any that cannot be stored.
pub(super) fn initial(given: &RawValue) -> Result<Vec<OffsetEntry>, Failure> {
    let wrong = |why: &str| Failure::bad_request(format!("initial_offsets: {why}"));
    let entries = entries(Some(given))
        .map_err(|_| wrong("a list is expected, of objects with the objects partition and offset"))?;
    if entries.is_empty() {
        return Err(wrong(
            "at least one partition with its offset is needed; leave the field out to keep what is stored",
        ));
    }
    let changes = changes(entries).ok_or_else(|| wrong("partition must not be null or missing"))?;
    match changes.iter().find_map(compound_entry) {
        Some(problem) => Err(wrong(&problem)),
        None => Ok(changes),
    }
}

/// The entries of a list of offsets; none when there is no list.
fn entries(list: Option<&RawValue>) -> Result<Vec<Entry>, Failure> {
    let entries = list.map(|list| body::as_list(list, "a list of offsets")).transpose()?;
    entries.unwrap_or_default().iter().map(|e| entry(e)).collect()
}

/// One entry for each partition: the last one given counts. `None` when one has no partition.
fn changes(entries: Vec<Entry>) -> Option<Vec<OffsetEntry>> {
    let mut changes: Vec<OffsetEntry> = Vec::new();
    for (partition, offset) in entries {
        let partition = partition?;
        match changes.iter_mut().find(|change| change.partition == partition) {
            Some(change) => change.offset = offset,
            None => changes.push(OffsetEntry { partition, offset }),
        }
    }
    Some(changes)
}

fn compound_entry(entry: &OffsetEntry) -> Option<String> {
    compound_field(&entry.partition).or(entry.offset.as_ref().and_then(compound_field))
}

/// Forgets the offsets of a stopped connector.
pub(super) async fn reset(call: &Call<'_>, name: &str) -> Answer {
    let message = call.within_limit(call.state.herder.alter_offsets(name, None)).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "message": message })))
}

/// `failure`, after everything the herder would have found wrong before.
fn unless_refused_before(call: &Call<'_>, name: &str, failure: impl FnOnce(ConnectorType) -> Failure) -> Failure {
    match found(call, name) {
        Err(failure) => failure,
        Ok(connector) if connector.target != TargetState::Stopped || !connector.tasks.is_empty() => {
            Failure::bad_request(format!(
                "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
                 specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
            ))
        }
        Ok(connector) => failure(connector.kind),
    }
}

/// The sentence about the first field that cannot be stored: offsets of sources hold primitive values only.
fn compound_field(map: &OffsetMap) -> Option<String> {
    map.entries().iter().find_map(|(key, value)| {
        let kind = match value {
            ConnectValue::Array(_) => "ARRAY",
            ConnectValue::Map(_) => "MAP",
            _ => return None,
        };
        let field = key.as_str().unwrap_or_default();
        Some(format!("Offsets may only contain primitive types as values, but field {field} contains {kind}"))
    })
}

type Entry = (Option<OffsetMap>, Option<OffsetMap>);

fn entry(value: &RawValue) -> Result<Entry, Failure> {
    let members = body::as_object(value, "an object with partition and offset")?;
    members.only_known(&["partition", "offset"])?;
    let map = |name: &str| match members.get(name) {
        None => Ok(None),
        Some(value) if value.get().starts_with('{') => {
            let map: Map<String, Value> = serde_json::from_str(value.get())
                .map_err(|error| Failure::internal(format!("The {name} is not JSON: {error}")))?;
            from_json(&map).map(Some)
        }
        Some(other) => Err(Failure::internal(format!("The {name} must be an object, not {}", body::kind(other)))),
    };
    Ok((map("partition")?, map("offset")?))
}

/// Integers become 64 bits wide, fractions doubles, as they do on their way through the JVM's JSON converter.
fn from_json(map: &Map<String, Value>) -> Result<OffsetMap, Failure> {
    let entries = map.iter().map(|(key, value)| Ok((key.as_str(), value_from_json(value)?)));
    Ok(OffsetMap::new(entries.collect::<Result<Vec<_>, Failure>>()?))
}

fn value_from_json(value: &Value) -> Result<ConnectValue, Failure> {
    Ok(match value {
        Value::Null => ConnectValue::Null,
        Value::Bool(b) => ConnectValue::Bool(*b),
        Value::String(text) => ConnectValue::str(text.as_str()),
        Value::Number(number) => match (number.as_i64(), number.to_string().parse::<f64>()) {
            (Some(n), _) => ConnectValue::Int64(n),
            (None, Ok(f)) => ConnectValue::Float64(f),
            (None, Err(_)) => return Err(Failure::internal(format!("The number {number} cannot be stored"))),
        },
        Value::Array(items) => {
            ConnectValue::Array(items.iter().map(value_from_json).collect::<Result<Vec<_>, _>>()?.into())
        }
        Value::Object(map) => from_json(map)?.to_value(),
    })
}

fn to_json(map: &OffsetMap) -> Value {
    value_to_json(&map.to_value())
}

fn value_to_json(value: &ConnectValue) -> Value {
    match value {
        ConnectValue::Bool(b) => (*b).into(),
        ConnectValue::Str(text) => text.as_str().into(),
        ConnectValue::Float32(f) => json!(f),
        ConnectValue::Float64(f) => json!(f),
        ConnectValue::Array(items) => items.iter().map(value_to_json).collect(),
        ConnectValue::Map(entries) => {
            let member = |(key, value): &(ConnectValue, ConnectValue)| {
                (key.as_str().unwrap_or_default().to_owned(), value_to_json(value))
            };
            Value::Object(entries.iter().map(member).collect())
        }
        other => other.as_i64().map_or(Value::Null, Into::into),
    }
}
