use std::time::Duration;

use couplet_api::config::Props;
use couplet_api::{Error, Result};
use couplet_storage::compatibility::Compatibility;
use couplet_storage::format::{BytesFormat, DecimalFormat, Format, JsonFormat};
use couplet_storage::joda::{JodaPattern, Zone};
use couplet_storage::naming::FileNaming;
use couplet_storage::partition::{
    Affix, FieldPartitioner, Partitioner, PathRules, Scheme, TimePartitioner, TimeSettings, TimestampExtractor,
};
use couplet_storage::rotate::{RotationRules, Schedule};

use super::S3Config;
use super::checks::{tag_pair, with_scheme};
use super::known::{BYTES, DAILY_PARTITIONER, FIELD_PARTITIONER, HOURLY_PARTITIONER, TIME_PARTITIONER};
use super::rules;

/// What happens to a record without value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnNull {
    /// The task fails.
    Fail,
    /// It is skipped; `report`: and handed to the errant record reporter.
    Ignore { report: bool },
    /// Its key is written to the directory of tombstones.
    Write,
}

/// Tags of objects.
#[derive(Debug, Clone)]
pub(crate) struct Tagging {
    /// Tags all objects have.
    pub(crate) pairs: Vec<(String, String)>,
    /// Whether a failed tagging fails the task.
    pub(crate) fails_task: bool,
}

/// What a task works by, made of [`S3Config`].
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) partitioner: Partitioner,
    pub(crate) rules: RotationRules,
    pub(crate) naming: FileNaming,
    pub(crate) values: Format,
    pub(crate) keys: Option<Format>,
    pub(crate) headers: Option<Format>,
    pub(crate) on_null: OnNull,
    /// Level of gzip; `None`: no compression.
    pub(crate) gzip_level: Option<i32>,
    pub(crate) part_bytes: usize,
    pub(crate) tagging: Option<Tagging>,
    /// Objects are never overwritten; the number of offsets to try for a free name.
    pub(crate) conditional: Option<usize>,
    pub(crate) retry_pause: Duration,
    /// `None`: a batch is always written to its end.
    pub(crate) write_ms_max: Option<i64>,
}

impl Settings {
    /// Makes everything of `config`; `props` still has blanks that parsing trims.
    ///
    /// # Errors
    /// `Kind::Config` in the JVM's words.
    pub(crate) fn new(config: &S3Config, props: &Props) -> Result<Self> {
        if config.rotate_schedule_interval_ms > 0 && config.timezone.is_empty() {
            return Err(Error::config("timezone configuration must be set when using rotate.schedule.interval.ms"));
        }
        let partitioner = Partitioner::new(scheme(config)?, path_rules(config));
        let problems: Vec<String> = rules::problems(config).into_iter().map(|p| p.message).collect();
        if !problems.is_empty() {
            return Err(Error::config(problems.join("\n")));
        }
        let rules = rotation_rules(config, partitioner.has_timestamps())?;
        let format = |class: &str| format(class, config, props);
        Ok(Settings {
            partitioner,
            rules,
            naming: FileNaming {
                root: config.topics_dir.clone(),
                dir_delim: config.directory_delim.clone(),
                file_delim: config.file_delim.clone(),
                offset_digits_min: usize::try_from(config.filename_offset_zero_pad_width).unwrap_or(0),
            },
            values: format(&config.format_class),
            keys: config.store_keys.then(|| format(&config.keys_format_class)),
            headers: config.store_headers.then(|| format(&config.headers_format_class)),
            on_null: on_null(config),
            gzip_level: (config.compression_type == "gzip").then_some(config.compression_level),
            part_bytes: usize::try_from(config.part_size).unwrap_or(usize::MAX),
            tagging: config.object_tagging.then(|| tagging(config)),
            conditional: is_conditional(config).then(|| usize::try_from(config.files_scan_limit).unwrap_or(0)),
            retry_pause: Duration::from_millis(u64::try_from(config.retry_backoff_ms).unwrap_or(0)),
            write_ms_max: Some(config.max_write_duration_ms).filter(|ms| *ms < i64::MAX),
        })
    }

    /// What stands behind the name of a file in `format`.
    pub(crate) fn extension(&self, format: &Format) -> String {
        format!("{}{}", format.extension(), if self.gzip_level.is_some() { ".gz" } else { "" })
    }
}

fn scheme(config: &S3Config) -> Result<Scheme> {
    Ok(match config.partitioner_class.as_str() {
        FIELD_PARTITIONER => {
            Scheme::Field(FieldPartitioner::new(config.partition_fields.clone(), &*config.directory_delim))
        }
        _ => match time_settings(config) {
            Some(settings) => Scheme::Time(TimePartitioner::new(&settings)?),
            None => Scheme::Default,
        },
    })
}

/// The settings of a partitioner by time; `None` for the others.
fn time_settings(config: &S3Config) -> Option<TimeSettings> {
    let settings = TimeSettings {
        duration_ms: config.partition_duration_ms,
        path_format: config.path_format.clone(),
        locale: config.locale.clone(),
        timezone: config.timezone.clone(),
        extractor: config.timestamp_extractor.clone(),
        field: config.timestamp_field.clone(),
        delim: config.directory_delim.clone(),
    };
    match config.partitioner_class.as_str() {
        TIME_PARTITIONER => Some(settings),
        DAILY_PARTITIONER => Some(settings.daily()),
        HOURLY_PARTITIONER => Some(settings.hourly()),
        _ => None,
    }
}

/// Why directories by time cannot be written though the original could, and the key to change; `None` when they can.
pub(super) fn unwritable_time(config: &S3Config) -> Option<(&'static [&'static str], String)> {
    let settings = time_settings(config)?;
    if settings.path_format.trim().is_empty() || settings.locale.trim().is_empty() {
        return None;
    }
    let pattern = &settings.path_format;
    if let Err(problem) = JodaPattern::parse(pattern, &settings.locale) {
        let message = format!("Invalid value {pattern} for configuration path.format: {problem}");
        return Some((&["path.format"], message));
    }
    let name = &settings.extractor;
    TimestampExtractor::from_name(name, &settings.field).is_none().then(|| {
        let problem = "classes of one's own cannot be loaded; use Wallclock, Record or RecordField";
        let message = format!("Invalid value {name} for configuration timestamp.extractor: {problem}");
        (&["timestamp.extractor"][..], message)
    })
}

fn path_rules(config: &S3Config) -> PathRules {
    PathRules {
        delim: config.directory_delim.clone(),
        affix: match config.schema_affix.as_str() {
            "PREFIX" => Some(Affix::Prefix),
            "SUFFIX" => Some(Affix::Suffix),
            _ => None,
        },
        tombstones: (on_null(config) == OnNull::Write).then(|| config.tombstone_partition.clone()),
    }
}

fn rotation_rules(config: &S3Config, has_timestamps: bool) -> Result<RotationRules> {
    let positive = |ms: i64| Some(ms).filter(|ms| *ms > 0);
    if positive(config.rotate_interval_ms).is_some() && !has_timestamps {
        tracing::warn!(
            "rotate.interval.ms is ignored: {} gives records no time; use a time-based partitioner",
            config.partitioner_class
        );
    }
    let schedule = positive(config.rotate_schedule_interval_ms).map(|interval_ms| {
        let zone = Zone::for_id(&config.timezone).map_err(Error::config)?;
        Ok::<_, Error>(Schedule { interval_ms, zone })
    });
    Ok(RotationRules {
        flush_size: config.flush_size.into(),
        interval_ms: positive(config.rotate_interval_ms).filter(|_| has_timestamps),
        schedule: schedule.transpose()?,
        on_directory_change: config.rotate_on_partition_change,
        open_files_max: usize::try_from(config.max_open_files).ok(),
        compatibility: Compatibility::from_name(&config.schema_compatibility),
    })
}

fn format(class: &str, config: &S3Config, props: &Props) -> Format {
    if class == BYTES {
        let separator = props.get("format.bytearray.separator").unwrap_or("\n");
        return Format::Bytes(BytesFormat::new(&*config.bytearray_extension, separator));
    }
    let decimals = match config.json_decimal_format.eq_ignore_ascii_case("numeric") {
        true => DecimalFormat::Numeric,
        false => DecimalFormat::Base64,
    };
    Format::Json(JsonFormat::new(decimals, usize::try_from(config.schemas_cache_config).unwrap_or(1)))
}

fn on_null(config: &S3Config) -> OnNull {
    match config.on_null_values.to_lowercase().as_str() {
        "ignore" => OnNull::Ignore { report: config.report_null_values },
        "write" => OnNull::Write,
        _ => OnNull::Fail,
    }
}

fn tagging(config: &S3Config) -> Tagging {
    let pair = |pair: &String| tag_pair(pair).map(|(key, value)| (key.to_owned(), value.to_owned()));
    Tagging {
        pairs: config.object_tagging_pairs.iter().filter_map(pair).collect(),
        fails_task: config.on_tagging_error.eq_ignore_ascii_case("fail"),
    }
}

fn is_conditional(config: &S3Config) -> bool {
    config.conditional_writes && config.rotate_schedule_interval_ms != -1 && !config.store_headers && !config.store_keys
}

/// `store.url` with a scheme; `None`: AWS.
pub(crate) fn endpoint_url(config: &S3Config) -> Option<String> {
    config.store_url.as_deref().filter(|url| !url.trim().is_empty()).map(with_scheme)
}
