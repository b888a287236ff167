//! The only I/O: requests to S3.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region, RequestChecksumCalculation, SharedHttpClient};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ObjectCannedAcl, ServerSideEncryption, Tag, Tagging,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector, tls};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use couplet_api::{Error, Kind, Result};
use md5::{Digest, Md5};

use crate::config::{ENVIRONMENT_CREDENTIALS, S3Config, endpoint_url};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest pause between two tries of one request; a longer outage is the task's to wait for.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(20);
/// Codes with which S3 refuses credentials as such, not the access they give; the last is the Versity gateway's.
const CREDENTIAL_CODES: [&str; 8] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "ExpiredToken",
    "TokenRefreshRequired",
    "InvalidSecurity",
    "AuthorizationHeaderMalformed",
    "XAdminUserNotFound",
];

/// A bucket and how objects are put into it. Cheap requests: all state is the client's connection pool.
#[derive(Debug)]
pub(crate) struct Store {
    client: Client,
    bucket: String,
    place: String,
    acl: Option<ObjectCannedAcl>,
    encryption: Encryption,
    sends_md5: bool,
    checksum: Option<ChecksumAlgorithm>,
}

/// Server-side encryption.
enum Encryption {
    None,
    Algorithm { algorithm: ServerSideEncryption, kms_key: Option<String> },
    CustomerKey { key: String, md5: String },
}

/// Shows no key.
impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Encryption::None => "None",
            Encryption::Algorithm { .. } => "Algorithm",
            Encryption::CustomerKey { .. } => "CustomerKey",
        })
    }
}

/// A multipart upload that is under way: invisible until it is completed.
#[derive(Debug)]
pub(crate) struct Upload {
    id: String,
    parts: Vec<CompletedPart>,
}

/// How completing an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completed {
    /// The object is there.
    Stored,
    /// An object of this name was there before, and overwriting was not allowed.
    Exists,
}

impl Store {
    /// A client for the bucket of `config`. Nothing is sent yet.
    ///
    /// # Errors
    /// `Kind::Config` when proxy or key cannot be used.
    pub(crate) async fn new(config: &S3Config) -> Result<Self> {
        let http = http_client(config)?;
        let region = Region::new(config.region.clone());
        let retries = u32::try_from(config.part_retries).unwrap_or(0).max(1);
        let pause = Duration::from_millis(u64::try_from(config.retry_backoff_sdk_ms).unwrap_or(0));
        let mut builder = aws_sdk_s3::config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Box::pin(credentials(config, &region, &http)).await)
            .region(region)
            .http_client(http)
            .force_path_style(config.path_style)
            .accelerate(config.wan_mode)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(retries)
                    .with_initial_backoff(pause)
                    .with_max_backoff(RETRY_PAUSE_MAX.max(pause)),
            )
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build(),
            );
        // One checksum is enough. The variable is that of all SDKs, for servers that know no checksums.
        let checksums = !config.send_digest
            && !std::env::var("AWS_REQUEST_CHECKSUM_CALCULATION")
                .is_ok_and(|value| value.eq_ignore_ascii_case("when_required"));
        if !checksums {
            builder = builder.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        }
        let endpoint = endpoint_url(config);
        let place = endpoint.clone().unwrap_or_else(|| format!("region {}", config.region));
        builder.set_endpoint_url(endpoint);
        Ok(Store {
            client: Client::from_conf(builder.build()),
            bucket: config.bucket_name.clone(),
            place,
            acl: config.acl_canned.as_deref().map(ObjectCannedAcl::from),
            encryption: encryption(config)?,
            sends_md5: config.send_digest,
            checksum: checksums.then_some(ChecksumAlgorithm::Crc32),
        })
    }

    /// Asks for the bucket.
    ///
    /// # Errors
    /// The bucket is missing or elsewhere, the server cannot be reached, or it refuses the credentials. Refused access
    /// alone is no error: writing may be allowed.
    pub(crate) async fn check_bucket(&self) -> Result<()> {
        let Err(error) = Box::pin(self.client.head_bucket().bucket(&self.bucket).send()).await else { return Ok(()) };
        let bucket = &self.bucket;
        match status(&error) {
            Some(404) => {
                Box::pin(self.check_credentials()).await?;
                Err(missing_bucket(bucket, &self.place))
            }
            Some(301) => Err(Error::fatal(format!(
                "S3 bucket {bucket} is not in region and endpoint of this connector ({}): correct s3.region or store.url",
                self.place
            ))),
            Some(403 | 400) => Box::pin(self.check_credentials()).await,
            Some(_) => Err(fatal(self.failure("look for bucket", bucket, &error))),
            None => Err(self.unreachable(&error)),
        }
    }

    /// A HEAD request has no body that says why it was refused; a listing has.
    async fn check_credentials(&self) -> Result<()> {
        let listing = self.client.list_objects_v2().bucket(&self.bucket).max_keys(1).send();
        let Err(error) = listing.await else { return Ok(()) };
        match error.code() {
            Some(code) if CREDENTIAL_CODES.contains(&code) => {
                Err(self.failure("look for bucket", &self.bucket, &error))
            }
            code => {
                tracing::info!(bucket = self.bucket, code, "the bucket cannot be listed");
                Ok(())
            }
        }
    }

    /// The server did not answer, or there is nothing to sign with.
    fn unreachable<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let detail = DisplayErrorContext(error).to_string();
        if is_missing_credentials(&detail) {
            return no_credentials();
        }
        let advice = "Check store.url, s3.region and s3.proxy.url, and that the server runs.";
        Error::fatal(format!("S3 at {} cannot be reached: {advice}", self.place)).caused_by(Error::remote(detail))
    }

    /// Starts an upload of `key`.
    ///
    /// # Errors
    /// See [`Store::failure`].
    pub(crate) async fn begin(&self, key: &str) -> Result<Upload> {
        let mut request = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .set_acl(self.acl.clone())
            .set_checksum_algorithm(self.checksum.clone());
        request = match &self.encryption {
            Encryption::None => request,
            Encryption::Algorithm { algorithm, kms_key } => {
                request.server_side_encryption(algorithm.clone()).set_ssekms_key_id(kms_key.clone())
            }
            Encryption::CustomerKey { key, md5 } => {
                request.sse_customer_algorithm("AES256").sse_customer_key(key).sse_customer_key_md5(md5)
            }
        };
        let answer = Box::pin(request.send()).await.map_err(|e| self.failure("start the upload of", key, &e))?;
        let id = answer.upload_id.ok_or_else(|| Error::remote(format!("S3 gave no id for the upload of {key}")))?;
        Ok(Upload { id, parts: Vec::new() })
    }

    /// Sends the next part.
    ///
    /// # Errors
    /// See [`Store::failure`].
    pub(crate) async fn put_part(&self, key: &str, upload: &mut Upload, bytes: Bytes) -> Result<()> {
        let number = i32::try_from(upload.parts.len() + 1)
            .map_err(|_| Error::fatal(format!("{key} has too many parts: raise s3.part.size")))?;
        let md5 = self.sends_md5.then(|| STANDARD.encode(Md5::digest(&bytes)));
        let mut request = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(&upload.id)
            .part_number(number)
            .set_content_md5(md5)
            .set_checksum_algorithm(self.checksum.clone())
            .body(ByteStream::from(bytes));
        if let Encryption::CustomerKey { key, md5 } = &self.encryption {
            request = request.sse_customer_algorithm("AES256").sse_customer_key(key).sse_customer_key_md5(md5);
        }
        let answer = Box::pin(request.send()).await.map_err(|e| self.failure("upload a part of", key, &e))?;
        upload.parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(answer.e_tag)
                .set_checksum_crc32(answer.checksum_crc32)
                .build(),
        );
        Ok(())
    }

    /// Makes the object visible; `only_new`: unless there is one of this name.
    ///
    /// # Errors
    /// See [`Store::failure`].
    pub(crate) async fn complete(&self, key: &str, upload: &Upload, only_new: bool) -> Result<Completed> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(upload.parts.clone())).build();
        let mut request = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(&upload.id)
            .set_if_none_match(only_new.then(|| "*".to_owned()))
            .multipart_upload(parts);
        if let Encryption::CustomerKey { key, md5 } = &self.encryption {
            request = request.sse_customer_algorithm("AES256").sse_customer_key(key).sse_customer_key_md5(md5);
        }
        match Box::pin(request.send()).await {
            Ok(_) => Ok(Completed::Stored),
            Err(error) if only_new && (status(&error) == Some(412) || error.code() == Some("PreconditionFailed")) => {
                Ok(Completed::Exists)
            }
            Err(error) => Err(self.failure("complete the upload of", key, &error)),
        }
    }

    /// Gives up an upload and its parts.
    ///
    /// # Errors
    /// See [`Store::failure`].
    pub(crate) async fn abort(&self, key: &str, upload: &Upload) -> Result<()> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(&upload.id);
        let answer = Box::pin(request.send()).await;
        answer.map(|_| ()).map_err(|e| self.failure("give up the upload of", key, &e))
    }

    /// Whether there is an object called `key`. One that may not be looked at counts as free, as in the original.
    ///
    /// # Errors
    /// See [`Store::failure`].
    pub(crate) async fn exists(&self, key: &str) -> Result<bool> {
        match Box::pin(self.client.head_object().bucket(&self.bucket).key(key).send()).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(status(&error), Some(404 | 403)) => Ok(false),
            Err(error) => Err(self.failure("look for", key, &error)),
        }
    }

    /// Sets the tags of an object.
    ///
    /// # Errors
    /// See [`Store::failure`].
    pub(crate) async fn tag(&self, key: &str, tags: &[(String, String)]) -> Result<()> {
        let built: std::result::Result<Vec<Tag>, _> =
            tags.iter().map(|(name, value)| Tag::builder().key(name).value(value).build()).collect();
        let tagging = built.and_then(|tags| Tagging::builder().set_tag_set(Some(tags)).build());
        let tagging = tagging.map_err(|e| Error::bug(format!("tags of {key}: {e}")))?;
        let request = self.client.put_object_tagging().bucket(&self.bucket).key(key).tagging(tagging);
        let answer = Box::pin(request.send()).await;
        answer.map(|_| ()).map_err(|e| self.failure("tag", key, &e))
    }

    /// What a failed request means: `Kind::Remote` when waiting may help, `Kind::Auth` when access was refused, else
    /// `Kind::Fatal`.
    fn failure<E>(&self, action: &str, key: &str, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let status = status(error);
        let code = error.code().unwrap_or_default();
        let said = error.message().map(|m| format!(": {m}")).unwrap_or_default();
        let sentence = format!("S3 at {} failed to {action} {key}", self.place);
        match (status, code) {
            (None, _) => {
                let detail = DisplayErrorContext(error).to_string();
                match is_missing_credentials(&detail) {
                    true => no_credentials(),
                    false => Error::remote(sentence).caused_by(Error::remote(detail)),
                }
            }
            (_, "NoSuchBucket") => missing_bucket(&self.bucket, &self.place),
            (Some(status), "NoSuchUpload" | "RequestTimeout" | "SlowDown" | "OperationAborted") => {
                Error::remote(format!("{sentence} (HTTP {status}, {code}{said})"))
            }
            (Some(status @ (408 | 429 | 500..)), _) => {
                Error::remote(format!("{sentence} (HTTP {status}, {code}{said})"))
            }
            (Some(status), code) if status == 403 || CREDENTIAL_CODES.contains(&code) => Error::auth(format!(
                "{sentence}: it refuses the credentials (HTTP {status}, {code}{said}). Check aws.access.key.id, \
                 aws.secret.access.key and what they may do in bucket {}",
                self.bucket
            )),
            (Some(status), code) => Error::fatal(format!("{sentence} (HTTP {status}, {code}{said})")),
        }
    }
}

/// The same failure where nothing is tried again.
fn fatal(error: Error) -> Error {
    match error.kind() {
        Kind::Remote => Error::fatal(error.message().to_owned()).caused_by(error),
        _ => error,
    }
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

fn missing_bucket(bucket: &str, place: &str) -> Error {
    Error::fatal(format!("Non-existent S3 bucket: {bucket}")).caused_by(Error::config(format!(
        "Create the bucket at {place}, or correct s3.bucket.name, s3.region or store.url"
    )))
}

fn is_missing_credentials(detail: &str) -> bool {
    detail.contains("CredentialsNotLoaded") || detail.contains("no providers in chain provided credentials")
}

fn no_credentials() -> Error {
    Error::auth(
        "No AWS credentials: set aws.access.key.id and aws.secret.access.key, or AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY in the worker's environment",
    )
}

fn http_client(config: &S3Config) -> Result<SharedHttpClient> {
    let provider = tls::Provider::Rustls(CryptoMode::AwsLc);
    if config.proxy_url.is_empty() {
        return Ok(Builder::new().tls_provider(provider).build_https());
    }
    let unusable = |e: &dyn std::fmt::Display| {
        Error::config(format!("Invalid value {} for configuration s3.proxy.url: {e}", config.proxy_url))
    };
    let mut proxy = ProxyConfig::all(config.proxy_url.as_str()).map_err(|e| unusable(&e))?;
    if let Some(user) = &config.proxy_user {
        proxy = proxy.with_basic_auth(user, config.proxy_password.reveal());
    }
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().proxy_config(proxy.clone());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(aws_sdk_s3::config::RuntimeComponents::sleep_impl));
        builder.tls_provider(provider.clone()).build()
    }))
}

async fn credentials(config: &S3Config, region: &Region, http: &SharedHttpClient) -> SharedCredentialsProvider {
    let secret = config.secret_access_key.reveal();
    if !config.access_key_id.trim().is_empty() && !secret.trim().is_empty() {
        return SharedCredentialsProvider::new(Credentials::new(
            &config.access_key_id,
            secret,
            None,
            None,
            "connector",
        ));
    }
    if config.credentials_provider_class == ENVIRONMENT_CREDENTIALS {
        let environment = aws_config::environment::EnvironmentVariableCredentialsProvider::new();
        return SharedCredentialsProvider::new(environment);
    }
    let provider = aws_config::provider_config::ProviderConfig::without_region()
        .with_region(Some(region.clone()))
        .with_http_client(http.clone());
    let chain = aws_config::default_provider::credentials::DefaultCredentialsChain::builder().configure(provider);
    SharedCredentialsProvider::new(Box::pin(chain.build()).await)
}

fn encryption(config: &S3Config) -> Result<Encryption> {
    let algorithm = match config.ssea_name.as_str() {
        "" => return Ok(Encryption::None),
        name => ServerSideEncryption::from(name),
    };
    let customer_key = config.sse_customer_key.reveal();
    if algorithm == ServerSideEncryption::Aes256 && !customer_key.trim().is_empty() {
        let raw = STANDARD.decode(customer_key).map_err(|_| {
            Error::config("Invalid value [hidden] for configuration s3.sse.customer.key: not the base64 of 32 bytes")
        })?;
        let md5 = STANDARD.encode(Md5::digest(raw));
        return Ok(Encryption::CustomerKey { key: customer_key.to_owned(), md5 });
    }
    let kms_key = Some(config.sse_kms_key_id.clone()).filter(|key| !key.is_empty());
    Ok(Encryption::Algorithm {
        algorithm: algorithm.clone(),
        kms_key: kms_key.filter(|_| algorithm != ServerSideEncryption::Aes256),
    })
}
