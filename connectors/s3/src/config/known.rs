//! Java class names and lists of values that users may write.

pub(crate) const AVRO: &str = "io.confluent.connect.s3.format.avro.AvroFormat";
pub(crate) const JSON: &str = "io.confluent.connect.s3.format.json.JsonFormat";
pub(crate) const BYTES: &str = "io.confluent.connect.s3.format.bytearray.ByteArrayFormat";
pub(crate) const PARQUET: &str = "io.confluent.connect.s3.format.parquet.ParquetFormat";

/// Classes of formats.
pub(crate) const FORMATS: [&str; 4] = [AVRO, JSON, BYTES, PARQUET];

/// Class of the storage.
pub(super) const STORAGE: &str = "io.confluent.connect.s3.storage.S3Storage";

pub(super) const DEFAULT_PARTITIONER: &str = "io.confluent.connect.storage.partitioner.DefaultPartitioner";
pub(super) const HOURLY_PARTITIONER: &str = "io.confluent.connect.storage.partitioner.HourlyPartitioner";
pub(super) const DAILY_PARTITIONER: &str = "io.confluent.connect.storage.partitioner.DailyPartitioner";
pub(super) const TIME_PARTITIONER: &str = "io.confluent.connect.storage.partitioner.TimeBasedPartitioner";
pub(super) const FIELD_PARTITIONER: &str = "io.confluent.connect.storage.partitioner.FieldPartitioner";

/// Classes of partitioners.
pub(super) const PARTITIONERS: [&str; 5] =
    [DEFAULT_PARTITIONER, HOURLY_PARTITIONER, DAILY_PARTITIONER, TIME_PARTITIONER, FIELD_PARTITIONER];

/// The AWS default chain: environment, profile, web identity, container, instance.
const DEFAULT_CREDENTIALS: &str = "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider";
/// The environment alone.
pub(crate) const ENVIRONMENT_CREDENTIALS: &str =
    "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider";

/// Classes that give credentials.
pub(super) const CREDENTIALS_PROVIDERS: [&str; 2] = [DEFAULT_CREDENTIALS, ENVIRONMENT_CREDENTIALS];

/// Canned access control lists.
pub(super) const CANNED_ACLS: [&str; 7] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
];

/// Regions worth offering; any other is taken too.
#[rustfmt::skip]
pub(super) const REGIONS: [&str; 45] = [
    "ap-south-2", "ap-south-1", "eu-south-1", "eu-south-2", "us-gov-east-1", "me-central-1", "il-central-1",
    "ca-central-1", "mx-central-1", "eu-central-1", "us-iso-west-1", "eu-central-2", "eu-isoe-west-1", "us-west-1",
    "us-west-2", "af-south-1", "eu-north-1", "eu-west-3", "eu-west-2", "eu-west-1", "ap-northeast-3",
    "ap-northeast-2", "ap-northeast-1", "me-south-1", "sa-east-1", "ap-east-1", "cn-north-1", "ca-west-1",
    "us-gov-west-1", "ap-southeast-1", "ap-southeast-2", "us-iso-east-1", "ap-southeast-3", "ap-southeast-4",
    "ap-southeast-5", "us-east-1", "us-east-2", "ap-southeast-7", "cn-northwest-1", "us-isob-east-1", "aws-global",
    "aws-cn-global", "aws-us-gov-global", "aws-iso-global", "aws-iso-b-global",
];
