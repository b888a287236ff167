//! S3 as a scenario sees it.

use anyhow::{Context, Result};
use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_smithy_http_client::{Builder, tls};

/// A client with fixed credentials and path-style addresses.
#[derive(Debug, Clone)]
pub struct ObjectStore {
    client: Client,
}

impl ObjectStore {
    /// `endpoint` as in `http://127.0.0.1:9000`.
    pub fn new(endpoint: &str, access_key: &str, secret_key: &str) -> Self {
        let http =
            Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc)).build_https();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .credentials_provider(Credentials::new(access_key, secret_key, None, None, "couplet-harness"))
            .http_client(http)
            .build();
        Self { client: Client::from_conf(config) }
    }

    /// Makes a bucket; one that is there already is fine.
    pub async fn create_bucket(&self, bucket: &str) -> Result<()> {
        let made = self.client.create_bucket().bucket(bucket).send().await;
        match made {
            Ok(_) => Ok(()),
            Err(_) if self.client.head_bucket().bucket(bucket).send().await.is_ok() => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot make the bucket {bucket}")),
        }
    }

    /// All keys under `prefix`, in S3's order.
    pub async fn keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>> {
        let mut pages = self.client.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.with_context(|| format!("cannot list {bucket}/{prefix}"))?;
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    /// The bytes of an object as stored.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>> {
        let got = self.client.get_object().bucket(bucket).key(key).send().await;
        let got = got.with_context(|| format!("cannot get {bucket}/{key}"))?;
        Ok(got.body.collect().await?.to_vec())
    }

    /// Writes an object.
    pub async fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<()> {
        let sent = self.client.put_object().bucket(bucket).key(key).body(bytes.into()).send().await;
        sent.with_context(|| format!("cannot put {bucket}/{key}")).map(drop)
    }
}
