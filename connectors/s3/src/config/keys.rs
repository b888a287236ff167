use couplet_api::config::{at_least, between, one_of, one_of_ignore_case};
use couplet_api::config_def;

use super::checks::{
    customer_key, endpoint, field_names, known_class, one_of_ignoring_case, one_of_listed, part_size, proxy_url,
    tag_pairs, time_zone,
};
use super::known::{AVRO, CANNED_ACLS, CREDENTIALS_PROVIDERS, FORMATS, JSON, PARQUET, PARTITIONERS, REGIONS, STORAGE};

config_def! {
    /// Settings of the S3 sink, in the order and with the hints of the original.
    pub struct S3Config {
        /// Class of the files' format: JSON (`io.confluent.connect.s3.format.json.JsonFormat`) or bytes
        /// (`io.confluent.connect.s3.format.bytearray.ByteArrayFormat`).
        format_class: Class = "format.class", High, required, known_class(&FORMATS) => {
            group: "Connector", order: 1, display: "Format class", recommended: FORMATS,
        };
        /// Records of a topic partition after which its files are uploaded.
        flush_size: Int = "flush.size", High, required => {
            group: "Connector", order: 2, width: Long, display: "Flush Size",
        };
        /// Span of record time, in milliseconds, that one file holds at most; needs a time-based partitioner.
        rotate_interval_ms: Long = "rotate.interval.ms", High, default "-1" => {
            group: "Connector", order: 3, width: Medium, display: "Rotate Interval (ms)",
        };
        /// Wall-clock period, in milliseconds from midnight in `timezone`, after which files are uploaded; gives up
        /// exactly-once.
        rotate_schedule_interval_ms: Long = "rotate.schedule.interval.ms", Medium, default "-1" => {
            group: "Connector", order: 4, width: Medium, display: "Rotate Schedule Interval (ms)",
        };
        /// How many schemas are kept ready for writing.
        schemas_cache_config: Int = "schemas.cache.config", Low, default "1000" => {
            group: "Connector", order: 5, width: Long, display: "Schema Cache Size",
        };
        /// Avro only: keeps names, enumerations and documentation.
        enhanced_avro_schema_support: Bool = "enhanced.avro.schema.support", Low, default "true" => {
            group: "Connector", order: 6, width: Short, display: "Enhanced Avro Support",
        };
        /// Avro only: puts Connect's metadata into the schema.
        connect_meta_data: Bool = "connect.meta.data", Low, default "true" => {
            group: "Connector", order: 7, width: Short, display: "Connect Metadata",
        };
        /// Pause, in milliseconds, before a topic partition is read again after S3 failed.
        retry_backoff_ms: Long = "retry.backoff.ms", Low, default "5000" => {
            group: "Connector", order: 8, width: Medium, display: "Retry Backoff (ms)",
        };
        /// Digits that the offset in a file name has at least.
        filename_offset_zero_pad_width: Int = "filename.offset.zero.pad.width", Low, default "10", at_least(0) => {
            group: "Connector", order: 10, width: Long, display: "Filename Offset Zero Pad Width",
        };
        /// Avro only: compression of blocks.
        avro_codec: Str = "avro.codec", Low, default "null", one_of(&["null", "deflate", "snappy", "bzip2"]) => {
            group: "Connector", order: 11, width: Medium, display: "Avro Compression Codec",
            recommended: ["null", "deflate", "snappy", "bzip2"],
        };
        /// Avro only: allows optional text as keys of maps.
        allow_optional_map_keys: Bool = "allow.optional.map.keys", Low, default "false" => {
            group: "Connector", order: 12, width: Short, display: "Allow Optional Map Keys",
        };
        /// How schemas may differ within a file: NONE closes it on any change, BACKWARD, FORWARD and FULL project
        /// records where they can.
        schema_compatibility: Str = "schema.compatibility", High, default "NONE" => {
            group: "Schema", order: 1, width: Short, display: "Schema Compatibility",
            recommended: ["NONE", "BACKWARD", "FORWARD", "FULL"],
        };
        /// Parquet only: compression.
        parquet_codec: Str = "parquet.codec", Low, default "snappy", one_of(&["none", "gzip", "snappy", "lz4", "brotli", "lz4_raw", "zstd", "lzo"]) => {
            group: "Connector", order: 13, width: Medium, display: "Parquet Compression Codec",
            recommended: ["none", "gzip", "snappy", "lz4", "brotli", "lz4_raw", "zstd", "lzo"],
        };
        /// Bucket that objects go to; it must exist.
        bucket_name: Str = "s3.bucket.name", High, required => {
            group: "S3", order: 1, width: Long, display: "S3 Bucket",
        };
        /// Tags objects with the offset of their first and last record and their number of records.
        object_tagging: Bool = "s3.object.tagging", Low, default "false" => {
            group: "S3", order: 2, width: Long, display: "S3 Object Tagging",
        };
        /// More tags, each as `key:value`.
        object_tagging_pairs: List = "s3.object.tagging.key.value.pairs", Low, default "", tag_pairs() => {
            group: "S3", order: 3, width: Long, display: "S3 Object Tagging Extra Key Value pairs",
        };
        /// Whether a failed tagging is ignored or fails the task.
        on_tagging_error: Str = "s3.object.behavior.on.tagging.error", Low, default "ignore", one_of_ignoring_case(&["ignore", "fail"]) => {
            group: "S3", order: 4, width: Short, display: "Behavior for S3 object tagging error",
        };
        /// AWS region of the bucket.
        region: Str = "s3.region", Medium, default "us-west-2" => {
            group: "S3", order: 5, width: Long, display: "AWS region", recommended: REGIONS,
        };
        /// Bytes of one part of a multipart upload: what an open file holds in memory at most.
        part_size: Int = "s3.part.size", High, default "26214400", part_size() => {
            group: "S3", order: 6, width: Long, display: "S3 Part Size",
        };
        /// Where credentials come from when no static key is given: the default chain, or the environment alone.
        credentials_provider_class: Class = "s3.credentials.provider.class", Low, default "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider", known_class(&CREDENTIALS_PROVIDERS) => {
            group: "S3", order: 7, width: Long, display: "AWS Credentials Provider Class",
        };
        /// Access key of static credentials.
        access_key_id: Str = "aws.access.key.id", High, default "" => {
            group: "S3", order: 8, width: Long, display: "AWS Access Key ID",
        };
        /// Secret of static credentials.
        secret_access_key: Secret = "aws.secret.access.key", High, default "" => {
            group: "S3", order: 9, width: Long, display: "AWS Secret Access Key",
        };
        /// Algorithm of server-side encryption.
        ssea_name: Str = "s3.ssea.name", Low, default "", one_of(&["", "AES256", "aws:kms", "aws:kms:dsse"]) => {
            group: "S3", order: 10, width: Long, display: "S3 Server Side Encryption Algorithm",
            recommended: ["AES256", "aws:kms", "aws:kms:dsse"],
        };
        /// Key of server-side encryption with a customer's key (base64 of 32 bytes); needs AES256.
        sse_customer_key: Secret = "s3.sse.customer.key", Low, default "", customer_key() => {
            group: "S3", order: 11, width: Long,
            display: "S3 Server Side Encryption Customer-Provided Key (SSE-C)",
        };
        /// Id of the key of server-side encryption by KMS.
        sse_kms_key_id: Str = "s3.sse.kms.key.id", Low, default "" => {
            group: "S3", order: 12, width: Long, display: "S3 Server Side Encryption Key",
        };
        /// Canned access control list of objects.
        acl_canned: Str = "s3.acl.canned", Low, optional, one_of_listed(&CANNED_ACLS) => {
            group: "S3", order: 13, width: Long, display: "S3 Canned ACL",
        };
        /// Uses the accelerated endpoint.
        wan_mode: Bool = "s3.wan.mode", Medium, default "false" => {
            group: "S3", order: 14, width: Long, display: "S3 accelerated endpoint enabled",
        };
        /// Compression of JSON and bytes files.
        compression_type: Str = "s3.compression.type", Low, default "none", one_of_listed(&["none", "gzip"]) => {
            group: "S3", order: 15, width: Long, display: "Compression type",
        };
        /// Level of gzip: 0 to 9, or -1 for the default.
        compression_level: Int = "s3.compression.level", Low, default "-1", between(-1, 9) => {
            group: "S3", order: 16, width: Long, display: "Compression Level",
            recommended: ["-1", "0", "1", "2", "3", "4", "5", "6", "7", "8"],
        };
        /// How decimals appear in JSON: the bytes in base64, or a number.
        json_decimal_format: Str = "json.decimal.format", Medium, default "BASE64", one_of_ignore_case(&["BASE64", "NUMERIC"]) => {
            group: "S3", order: 17, width: Medium, display: "Decimal Format",
        };
        /// How often a request is tried at most.
        part_retries: Int = "s3.part.retries", Medium, default "3", at_least(0) => {
            group: "S3", order: 18, width: Long, display: "S3 Part Upload Retries",
        };
        /// Base, in milliseconds, of the growing pause between two tries of a request.
        retry_backoff_sdk_ms: Long = "s3.retry.backoff.ms", Low, default "200", at_least(0) => {
            group: "S3", order: 19, width: Short, display: "Retry Backoff (ms)",
        };
        /// Extension of bytes files.
        bytearray_extension: Str = "format.bytearray.extension", Low, default ".bin" => {
            group: "S3", order: 20, width: Long, display: "Output file extension for ByteArrayFormat",
        };
        /// Text behind each value of bytes files; a line feed when absent. Blanks count.
        bytearray_separator: Str = "format.bytearray.separator", Low, optional => {
            group: "S3", order: 21, width: Long, display: "Line separator ByteArrayFormat",
        };
        /// HTTP proxy to S3.
        proxy_url: Str = "s3.proxy.url", Low, default "", proxy_url() => {
            group: "S3", order: 22, width: Long, display: "S3 Proxy Settings",
        };
        /// User at the proxy; one in the URL is overridden.
        proxy_user: Str = "s3.proxy.user", Low, optional => {
            group: "S3", order: 23, width: Long, display: "S3 Proxy User",
        };
        /// Password at the proxy.
        proxy_password: Secret = "s3.proxy.password", Low, default "" => {
            group: "S3", order: 24, width: Long, display: "S3 Proxy Password",
        };
        /// Without effect: requests are sent without waiting for 100-continue.
        send_expect_continue: Bool = "s3.http.send.expect.continue", Low, default "true" => {
            group: "S3", order: 25, width: Short, display: "S3 HTTP Send Uses Expect Continue",
        };
        /// Whether a record without value is ignored, fails the task, or is written by its key.
        on_null_values: Str = "behavior.on.null.values", Low, default "fail", one_of_ignoring_case(&["ignore", "fail", "write"]) => {
            group: "S3", order: 26, width: Short, display: "Behavior for null-valued records",
        };
        /// Whether ignored records without value go to the dead letter queue.
        report_null_values: Bool = "report.null.values.to.dlq", Low, default "true" => {
            group: "S3", order: 27, width: Short, display: "Report null value to dlq",
        };
        /// Milliseconds after which writing pauses to let the worker poll.
        max_write_duration_ms: Long = "max.write.duration.ms", Low, default "9223372036854775807" => {
            group: "S3", order: 28, width: Short, display: "Maximum write duration",
        };
        /// With `rotate.interval.ms`: uploads files when the directory changes.
        rotate_on_partition_change: Bool = "rotate.file.on.partition.change", Low, default "true" => {
            group: "S3", order: 29, width: Short, display: "Rotate files on partition change",
        };
        /// Directory of records without value when they are written.
        tombstone_partition: Str = "tombstone.encoded.partition", Low, default "tombstone" => {
            group: "S3", order: 30, width: Short, display: "Tombstone Encoded Partition",
        };
        /// Whether the name of the schema is a directory before or behind the others.
        schema_affix: Str = "s3.schema.partition.affix.type", Low, default "NONE", one_of(&["SUFFIX", "PREFIX", "NONE"]) => {
            group: "S3", order: 31, width: Long, display: "Schema Partition Affix Type",
            recommended: ["SUFFIX", "PREFIX", "NONE"],
        };
        /// Sends an MD5 digest with each part.
        send_digest: Bool = "s3.send.digest", Low, default "false" => {
            group: "S3", order: 32, width: Short, display: "S3 Send Upload Message Digest",
        };
        /// With a schedule, and without keys and headers: never overwrites an object.
        conditional_writes: Bool = "enable.conditional.writes", Low, default "true" => {
            group: "S3", order: 33, width: Short, display: "Enable conditional writes during multipart upload",
        };
        /// How many offsets are tried for a free name when an object exists already.
        files_scan_limit: Int = "max.files.scan.limit", Low, default "100" => { group: "" };
        /// Writes keys to files of their own.
        store_keys: Bool = "store.kafka.keys", Low, default "false" => {
            group: "Keys and Headers", order: 1, width: Short, display: "Store kafka keys",
            dependents: ["keys.format.class"],
        };
        /// Writes headers to files of their own.
        store_headers: Bool = "store.kafka.headers", Low, default "false" => {
            group: "Keys and Headers", order: 2, width: Short, display: "Store kafka headers",
            dependents: ["headers.format.class"],
        };
        /// Class of the format of keys: JSON or bytes.
        keys_format_class: Class = "keys.format.class", Low, default "io.confluent.connect.s3.format.avro.AvroFormat", known_class(&FORMATS) => {
            group: "Keys and Headers", order: 3, display: "Keys format class", recommended: FORMATS,
        };
        /// Class of the format of headers: JSON.
        headers_format_class: Class = "headers.format.class", Low, default "io.confluent.connect.s3.format.avro.AvroFormat", known_class(&FORMATS) => {
            group: "Keys and Headers", order: 4, display: "Headers format class",
            recommended: [AVRO, JSON, PARQUET],
        };
        /// Puts the bucket into the path instead of the host name.
        path_style: Bool = "s3.path.style.access.enabled", Low, default "true" => {
            group: "Keys and Headers", order: 5, width: Short, display: "Enable Path Style Access to S3",
        };
        /// Without effect: buffers always grow with their content.
        elastic_buffer: Bool = "s3.elastic.buffer.enable", Low, default "false" => {
            group: "Keys and Headers", order: 6, width: Long, display: "Enable elastic buffer to staging s3-part",
        };
        /// Without effect: buffers start empty.
        elastic_buffer_init: Int = "s3.elastic.buffer.init.capacity", Low, default "131072", at_least(4096) => {
            group: "Keys and Headers", order: 7, width: Long, display: "Elastic buffer initial capacity",
        };
        /// Files a topic partition may have open before all are uploaded; -1: any number.
        max_open_files: Int = "partitioner.max.open.files", Low, default "-1" => { group: "" };
        /// Always `io.confluent.connect.s3.storage.S3Storage`.
        storage_class: Class = "storage.class", High, required, known_class(&[STORAGE]) => {
            group: "Storage", order: 1, display: "Storage Class", recommended: [STORAGE],
        };
        /// Directory above all topics; may be empty.
        topics_dir: Str = "topics.dir", High, default "topics" => {
            group: "Storage", order: 2, display: "Topics directory",
        };
        /// Endpoint of an S3 server other than AWS.
        store_url: Str = "store.url", High, optional, endpoint() => {
            group: "Storage", order: 3, display: "Store URL",
        };
        /// Separates directories.
        directory_delim: Str = "directory.delim", Medium, default "/" => {
            group: "Storage", order: 4, width: Long, display: "Directory Delimiter",
        };
        /// Separates topic, partition and offset in file names.
        file_delim: Str = "file.delim", Medium, default "+" => {
            group: "Storage", order: 5, width: Long, display: "File Delimiter",
        };
        /// Class that decides on directories.
        partitioner_class: Class = "partitioner.class", High, default "io.confluent.connect.storage.partitioner.DefaultPartitioner", known_class(&PARTITIONERS) => {
            group: "Partitioner", order: 1, width: Long, display: "Partitioner Class",
            dependents: ["partition.field.name", "partition.duration.ms", "path.format", "locale", "timezone"],
            recommended: PARTITIONERS,
        };
        /// Fields that FieldPartitioner makes directories of.
        partition_fields: List = "partition.field.name", Medium, default "", field_names() => {
            group: "Partitioner", order: 2, display: "Partition Field Name",
        };
        /// TimeBasedPartitioner: milliseconds of local time that share a directory.
        partition_duration_ms: Long = "partition.duration.ms", Medium, default "-1" => {
            group: "Partitioner", order: 3, width: Long, display: "Partition Duration (ms)",
        };
        /// TimeBasedPartitioner: Joda pattern of directories.
        path_format: Str = "path.format", Medium, default "" => {
            group: "Partitioner", order: 4, width: Long, display: "Path Format",
        };
        /// Language of names in directories by time; only English names can be written.
        locale: Str = "locale", Medium, default "" => {
            group: "Partitioner", order: 5, width: Long, display: "Locale",
        };
        /// Time zone of directories by time and of the schedule.
        timezone: Str = "timezone", Medium, default "", time_zone() => {
            group: "Partitioner", order: 6, width: Long, display: "Timezone",
        };
        /// Where the time of a record comes from: Wallclock, Record or RecordField.
        timestamp_extractor: Str = "timestamp.extractor", Medium, default "Wallclock" => {
            group: "Partitioner", order: 7, width: Long, display: "Timestamp Extractor",
        };
        /// RecordField: path of the field.
        timestamp_field: Str = "timestamp.field", Medium, default "timestamp" => {
            group: "Partitioner", order: 8, width: Long, display: "Record Field for Timestamp Extractor",
        };
    }
}
