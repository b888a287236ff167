use bytes::{Bytes, BytesMut};
use couplet_api::{Error, Result};
use couplet_storage::gzip::Gzip;

use crate::client::{Completed, Store, Upload};

/// Text waiting for compression is compressed when there is this much of it, in bytes.
const COMPRESSED_AT_BYTES: usize = 256 * 1024;
/// From this size on compression leaves the async threads alone.
const BLOCKING_BYTES: usize = 32 * 1024;

/// One object being written: holds at most a part in memory and grows with its content.
pub(crate) struct ObjectWriter {
    key: String,
    part_bytes: usize,
    gzip: Option<Gzip>,
    plain: BytesMut,
    ready: BytesMut,
    upload: Option<Upload>,
}

impl ObjectWriter {
    /// An empty object called `key`. Nothing is sent before a part is full.
    pub(crate) fn new(key: String, part_bytes: usize, gzip_level: Option<i32>) -> Self {
        let (plain, ready) = (BytesMut::new(), BytesMut::new());
        ObjectWriter { key, part_bytes, gzip: gzip_level.map(Gzip::new), plain, ready, upload: None }
    }

    /// Its name.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Appends `bytes`, sending parts as they fill.
    ///
    /// # Errors
    /// When a part cannot be sent; the object must then be aborted.
    pub(crate) async fn write(&mut self, store: &Store, bytes: &[u8]) -> Result<()> {
        if self.gzip.is_none() {
            self.ready.extend_from_slice(bytes);
        } else {
            self.plain.extend_from_slice(bytes);
            if self.plain.len() < COMPRESSED_AT_BYTES {
                return Ok(());
            }
            self.compress(false).await?;
        }
        while self.ready.len() >= self.part_bytes {
            let part = self.ready.split_to(self.part_bytes).freeze();
            self.send(store, part).await?;
        }
        Ok(())
    }

    /// Compresses what waits; `last`: and ends the file.
    async fn compress(&mut self, last: bool) -> Result<()> {
        let Some(mut gzip) = self.gzip.take() else { return Ok(()) };
        let plain = self.plain.split();
        let is_small = plain.len() < BLOCKING_BYTES;
        let work = move || {
            let mut bytes = gzip.push(&plain);
            if last {
                bytes.extend(gzip.finish());
                return (None, bytes);
            }
            (Some(gzip), bytes)
        };
        let (gzip, bytes) = match is_small {
            true => work(),
            false => tokio::task::spawn_blocking(work).await.map_err(|e| Error::bug(format!("compression: {e}")))?,
        };
        self.gzip = gzip;
        self.ready.extend_from_slice(&bytes);
        Ok(())
    }

    async fn send(&mut self, store: &Store, part: Bytes) -> Result<()> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            slot => slot.insert(store.begin(&self.key).await?),
        };
        store.put_part(&self.key, upload, part).await
    }

    /// Sends the rest and makes the object visible; `only_new`: unless there is one of this name.
    ///
    /// # Errors
    /// When S3 fails; the object must then be aborted.
    pub(crate) async fn finish(&mut self, store: &Store, only_new: bool) -> Result<Completed> {
        self.compress(true).await?;
        while self.ready.len() > self.part_bytes {
            let part = self.ready.split_to(self.part_bytes).freeze();
            self.send(store, part).await?;
        }
        if !self.ready.is_empty() || self.upload.is_none() {
            let part = self.ready.split().freeze();
            self.send(store, part).await?;
        }
        let Some(upload) = &self.upload else { return Err(Error::bug("an upload without a part")) };
        let completed = store.complete(&self.key, upload, only_new).await?;
        if completed == Completed::Stored {
            self.upload = None;
        }
        Ok(completed)
    }

    /// Gives up what was sent. A failure is only logged: what remains is the bucket's lifecycle rule's to remove.
    pub(crate) async fn abort(&mut self, store: &Store) {
        if let Some(upload) = self.upload.take()
            && let Err(error) = store.abort(&self.key, &upload).await
        {
            tracing::warn!(key = self.key, %error, "an upload could not be given up; its parts stay in the bucket");
        }
    }
}
