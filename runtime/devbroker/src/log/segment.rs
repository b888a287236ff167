//! A run of batches with increasing offsets, in memory or in one file.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::batch::{self, BatchHeader, HEADER_BYTES, LENGTH_PREFIX_BYTES};

/// Distance between two index entries of a file; a look-up reads at most this much too much (plus one batch).
const INDEX_INTERVAL_BYTES: u64 = 4096;
/// A batch larger than this cannot have been accepted, so on recovery it is a sign of a torn file.
const BATCH_BYTES_MAX: usize = 1 << 30;

/// Appended to until it is rolled, then only read, replaced by compaction, or removed.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base_offset: i64,
    /// One past the last stored record.
    pub(crate) next_offset: i64,
    pub(crate) bytes: u64,
    /// Largest timestamp of any record, -1 when empty.
    pub(crate) max_timestamp_ms: i64,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<Bytes>),
    File { path: PathBuf, file: Arc<File>, index: Vec<(i64, u64)> },
}

/// A stretch of a segment, found under the log's lock and read without it.
#[derive(Debug)]
pub(crate) enum Stretch {
    Memory(Vec<Bytes>),
    File { file: Arc<File>, position: u64, end: u64 },
}

/// How much of a segment a read may return.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadLimits {
    /// First wanted offset; the batch that holds it is returned whole.
    pub(crate) from: i64,
    /// Batches that start here or later are not returned.
    pub(crate) upto: i64,
    pub(crate) bytes_max: usize,
    /// The first batch is returned even when it is larger than `bytes_max`, so that a reader makes progress.
    pub(crate) at_least_one: bool,
}

impl Segment {
    /// An empty segment: a new file in `folder`, or in memory without one.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub(crate) fn create(folder: Option<&Path>, base_offset: i64) -> io::Result<Segment> {
        match folder {
            None => Ok(Segment::over(Store::Memory(Vec::new()), base_offset)),
            Some(folder) => Segment::create_file(folder.join(file_name(base_offset)), base_offset),
        }
    }

    /// An empty segment in the file `path`, which is emptied.
    pub(crate) fn create_file(path: PathBuf, base_offset: i64) -> io::Result<Segment> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Segment::over(Store::File { path, file: Arc::new(file), index: Vec::new() }, base_offset))
    }

    fn over(store: Store, base_offset: i64) -> Segment {
        Segment { base_offset, next_offset: base_offset, bytes: 0, max_timestamp_ms: -1, store }
    }

    /// Opens a segment file after an unknown end of the last run: keeps the longest run of good batches, cuts off what
    /// follows, and shows each kept batch to `on_batch` (control batches with their bytes).
    ///
    /// `checksums`: also verify every checksum, for the segment that was being written.
    /// Returns the segment and the number of bytes that were cut off.
    pub(crate) fn recover(
        path: PathBuf,
        base_offset: i64,
        checksums: bool,
        on_batch: &mut dyn FnMut(&BatchHeader, Option<Bytes>),
    ) -> io::Result<(Segment, u64)> {
        let file = File::options().read(true).write(true).open(&path)?;
        let file_bytes = file.metadata()?.len();
        let mut segment = Segment::over(Store::File { path, file: Arc::new(file), index: Vec::new() }, base_offset);
        while let Some(header) = segment.header_at(segment.bytes, file_bytes)? {
            let whole = if checksums || header.is_control() {
                let whole = segment.bytes_at(segment.bytes, header.batch_bytes)?;
                if !batch::checksum_fits(&whole) {
                    break;
                }
                Some(whole)
            } else {
                None
            };
            on_batch(&header, whole.filter(|_| header.is_control()));
            segment.note_appended(&header);
        }
        let torn_bytes = file_bytes - segment.bytes;
        if torn_bytes > 0
            && let Store::File { file, .. } = &segment.store
        {
            file.set_len(segment.bytes)?;
        }
        Ok((segment, torn_bytes))
    }

    /// The header at `position` when a whole, plausible batch that continues this segment lies before `end`.
    fn header_at(&self, position: u64, end: u64) -> io::Result<Option<BatchHeader>> {
        if end < position + HEADER_BYTES as u64 {
            return Ok(None);
        }
        let bytes = self.bytes_at(position, HEADER_BYTES)?;
        Ok(BatchHeader::parse(&bytes).ok().filter(|header| {
            header.batch_bytes <= BATCH_BYTES_MAX
                && position + header.batch_bytes as u64 <= end
                && header.base_offset >= self.next_offset
                && header.last_offset_delta >= 0
        }))
    }

    fn bytes_at(&self, position: u64, length: usize) -> io::Result<Bytes> {
        match &self.store {
            Store::File { file, .. } => read_file(file, position, length),
            Store::Memory(_) => Err(io::Error::other("a segment in memory has no positions")),
        }
    }

    /// Appends one placed batch. After an error the segment is as before: the next append overwrites what was written.
    pub(crate) fn append(&mut self, header: &BatchHeader, batch: Bytes) -> io::Result<()> {
        let position = self.bytes;
        match &mut self.store {
            Store::Memory(batches) => batches.push(batch),
            Store::File { file, .. } => file.write_all_at(&batch, position)?,
        }
        self.note_appended(header);
        Ok(())
    }

    fn note_appended(&mut self, header: &BatchHeader) {
        if let Store::File { index, .. } = &mut self.store
            && index.last().is_none_or(|(_, at)| self.bytes >= at + INDEX_INTERVAL_BYTES)
        {
            index.push((header.base_offset, self.bytes));
        }
        self.bytes += header.batch_bytes as u64;
        self.next_offset = header.next_offset();
        self.max_timestamp_ms = self.max_timestamp_ms.max(header.max_timestamp_ms);
    }

    /// Where the batches that `limits` ask for stand. Cheap; [`Stretch::read`] does the input.
    pub(crate) fn stretch(&self, limits: &ReadLimits) -> Stretch {
        match &self.store {
            Store::Memory(batches) => Stretch::Memory(memory_stretch(batches, limits)),
            Store::File { file, index, .. } => {
                let entry = index.partition_point(|(offset, _)| *offset <= limits.from);
                let position = entry.checked_sub(1).map_or(0, |entry| index[entry].1);
                Stretch::File { file: file.clone(), position, end: self.bytes }
            }
        }
    }

    /// Walks the batches in order, whole.
    pub(crate) fn batches(&self) -> BatchCursor<'_> {
        BatchCursor { segment: self, position: 0 }
    }

    /// Writes everything down to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match &self.store {
            Store::Memory(_) => Ok(()),
            Store::File { file, .. } => file.sync_data(),
        }
    }

    /// Deletes the file. Readers that found a stretch before still read it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match &self.store {
            Store::Memory(_) => Ok(()),
            Store::File { path, .. } => fs::remove_file(path),
        }
    }

    /// Puts this segment's file in the place of `other`'s.
    pub(crate) fn replace(&mut self, other: &Segment) -> io::Result<()> {
        if let (Store::File { path, .. }, Store::File { path: target, .. }) = (&mut self.store, &other.store) {
            fs::rename(&*path, target)?;
            path.clone_from(target);
        }
        Ok(())
    }

    /// The file's path, when there is a file.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.store {
            Store::Memory(_) => None,
            Store::File { path, .. } => Some(path),
        }
    }
}

/// Position in a segment's batches: an index in memory, a byte position in a file.
#[derive(Debug)]
pub(crate) struct BatchCursor<'a> {
    segment: &'a Segment,
    position: u64,
}

impl BatchCursor<'_> {
    /// Header of the next batch, which is then skipped.
    pub(crate) fn next_header(&mut self) -> io::Result<Option<BatchHeader>> {
        let header = self.peek()?;
        self.skip(header.as_ref());
        Ok(header)
    }

    /// The next batch with its header.
    pub(crate) fn next_batch(&mut self) -> io::Result<Option<(BatchHeader, Bytes)>> {
        let Some(header) = self.peek()? else { return Ok(None) };
        let batch = match &self.segment.store {
            Store::Memory(batches) => batches[self.position as usize].clone(),
            Store::File { file, .. } => read_file(file, self.position, header.batch_bytes)?,
        };
        self.skip(Some(&header));
        Ok(Some((header, batch)))
    }

    fn peek(&self) -> io::Result<Option<BatchHeader>> {
        let parsed = match &self.segment.store {
            Store::Memory(batches) => match batches.get(self.position as usize) {
                None => return Ok(None),
                Some(batch) => BatchHeader::parse(batch),
            },
            Store::File { .. } if self.position >= self.segment.bytes => return Ok(None),
            Store::File { file, .. } => BatchHeader::parse(&read_file(file, self.position, HEADER_BYTES)?),
        };
        parsed.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("stored batch: {error:?}")))
    }

    fn skip(&mut self, header: Option<&BatchHeader>) {
        let step = match &self.segment.store {
            Store::Memory(_) => 1,
            Store::File { .. } => header.map_or(0, |header| header.batch_bytes as u64),
        };
        self.position += step;
    }
}

impl Stretch {
    /// Reads whole batches within `limits`, the ones the stretch was found with.
    pub(crate) fn read(self, limits: &ReadLimits) -> io::Result<Bytes> {
        match self {
            Stretch::Memory(batches) => Ok(joined(batches)),
            Stretch::File { file, position, end } => read_stretch(&file, position, end, limits),
        }
    }
}

fn memory_stretch(batches: &[Bytes], limits: &ReadLimits) -> Vec<Bytes> {
    let after = batches.partition_point(|batch| batch::base_offset_of(batch) <= limits.from);
    let mut chosen = Vec::new();
    let mut bytes = 0;
    for batch in &batches[after.saturating_sub(1)..] {
        let Ok(header) = BatchHeader::parse(batch) else { break };
        if header.last_offset() < limits.from {
            continue;
        }
        let fits = bytes + batch.len() <= limits.bytes_max || (chosen.is_empty() && limits.at_least_one);
        if !fits || header.base_offset >= limits.upto {
            break;
        }
        bytes += batch.len();
        chosen.push(batch.clone());
    }
    chosen
}

/// One buffer out of many; a single batch is handed on without a copy.
fn joined(mut batches: Vec<Bytes>) -> Bytes {
    if batches.len() < 2 {
        return batches.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(batches.iter().map(Bytes::len).sum());
    for batch in batches {
        whole.extend_from_slice(&batch);
    }
    whole.freeze()
}

fn read_stretch(file: &File, position: u64, end: u64, limits: &ReadLimits) -> io::Result<Bytes> {
    let mut position = position;
    let mut length = (limits.bytes_max + INDEX_INTERVAL_BYTES as usize).max(HEADER_BYTES);
    loop {
        let available = usize::try_from(end - position).unwrap_or(usize::MAX);
        let chunk = read_file(file, position, length.min(available))?;
        match walk(&chunk, limits) {
            Walked::Found { start, stop } => return Ok(chunk.slice(start..stop)),
            Walked::Nothing => return Ok(Bytes::new()),
            // The index entry was far before the wanted batch, or the batch is larger than the limit.
            Walked::NeedMore { start, bytes } => {
                if position + (start + bytes) as u64 > end {
                    return Ok(Bytes::new());
                }
                position += start as u64;
                length = bytes.max(limits.bytes_max);
            }
        }
    }
}

enum Walked {
    /// Wanted batches stand in this range.
    Found { start: usize, stop: usize },
    /// No wanted batch exists here, or the first one is over the limit.
    Nothing,
    /// The batch at `start` takes `bytes`, which the chunk does not hold.
    NeedMore { start: usize, bytes: usize },
}

fn walk(chunk: &[u8], limits: &ReadLimits) -> Walked {
    let mut at = 0;
    let mut first: Option<usize> = None;
    loop {
        let found = |stop: usize| match first {
            Some(start) if stop > start => Walked::Found { start, stop },
            _ => Walked::Nothing,
        };
        let header = match BatchHeader::parse(&chunk[at..]) {
            Ok(header) => header,
            Err(_) if first.is_none() && chunk.len() - at < HEADER_BYTES => {
                return Walked::NeedMore { start: at, bytes: HEADER_BYTES };
            }
            Err(_) => return found(at),
        };
        if header.base_offset >= limits.upto {
            return found(at);
        }
        let stop = at + header.batch_bytes;
        if header.last_offset() < limits.from {
            if stop > chunk.len() {
                return Walked::NeedMore { start: stop, bytes: HEADER_BYTES };
            }
        } else {
            let start = first.unwrap_or(at);
            let is_first = start == at;
            if stop - start > limits.bytes_max && !(is_first && limits.at_least_one) {
                return found(at);
            }
            if stop > chunk.len() {
                return if is_first { Walked::NeedMore { start: at, bytes: header.batch_bytes } } else { found(at) };
            }
            first = Some(start);
        }
        at = stop;
    }
}

fn read_file(file: &File, position: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = BytesMut::zeroed(length);
    file.read_exact_at(&mut bytes, position)?;
    Ok(bytes.freeze())
}

/// File name of the segment that starts at `base_offset`, as Kafka names them.
pub(crate) fn file_name(base_offset: i64) -> String {
    format!("{base_offset:020}.log")
}

/// Base offset out of a segment's file name.
pub(crate) fn base_offset_of_file(path: &Path) -> Option<i64> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".log").filter(|digits| digits.len() == 20)?.parse().ok()
}

const _: () = assert!(LENGTH_PREFIX_BYTES < HEADER_BYTES);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::{BatchBuilder, NewRecord};

    /// Batches of 1, 2, 3, … records with values of `value_bytes`, appended to a segment from offset `base`.
    fn filled(folder: Option<&Path>, base: i64, batches: usize, value_bytes: usize) -> Segment {
        let mut segment = Segment::create(folder, base).unwrap();
        for count in 1..=batches {
            let mut builder = BatchBuilder::new(1_000 + count as i64);
            for _ in 0..count {
                builder.push(NewRecord { key: None, value: Some(&vec![b'x'; value_bytes]) });
            }
            let placed = batch::placed(&builder.build(), segment.next_offset, 0, None);
            let header = BatchHeader::parse(&placed).unwrap();
            segment.append(&header, placed).unwrap();
        }
        segment
    }

    fn offsets(bytes: &Bytes) -> Vec<(i64, i64)> {
        let mut at = 0;
        let mut offsets = Vec::new();
        while at < bytes.len() {
            let header = BatchHeader::parse(&bytes[at..]).unwrap();
            offsets.push((header.base_offset, header.last_offset()));
            at += header.batch_bytes;
        }
        assert_eq!(at, bytes.len(), "only whole batches");
        offsets
    }

    fn read(segment: &Segment, from: i64, upto: i64, bytes_max: usize, at_least_one: bool) -> Vec<(i64, i64)> {
        let limits = ReadLimits { from, upto, bytes_max, at_least_one };
        offsets(&segment.stretch(&limits).read(&limits).unwrap())
    }

    #[test]
    fn memory_and_file_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        for (store, folder) in [("memory", None), ("file", Some(folder.path()))] {
            // Batches: 10, 11-12, 13-15, 16-19; about 200 bytes a record.
            let segment = filled(folder, 10, 4, 200);
            let all = usize::MAX / 4;
            let rows = [
                ("everything", read(&segment, 10, 20, all, true), vec![(10, 10), (11, 12), (13, 15), (16, 19)]),
                ("from inside a batch", read(&segment, 14, 20, all, true), vec![(13, 15), (16, 19)]),
                ("up to a bound", read(&segment, 10, 13, all, true), vec![(10, 10), (11, 12)]),
                ("as many as fit", read(&segment, 10, 20, 800, true), vec![(10, 10), (11, 12)]),
                ("one even when too large", read(&segment, 13, 20, 10, true), vec![(13, 15)]),
                ("none when too large", read(&segment, 13, 20, 10, false), vec![]),
                ("nothing behind the end", read(&segment, 20, 20, all, true), vec![]),
            ];
            for (claim, got, want) in rows {
                assert_eq!(got, want, "{store}: {claim}");
            }
        }
    }

    #[test]
    fn large_batches_are_found_behind_sparse_index_entries() {
        let folder = tempfile::tempdir().unwrap();
        let segment = filled(Some(folder.path()), 0, 40, 1_000);
        for from in 0..segment.next_offset {
            let got = read(&segment, from, i64::MAX, 1, true);
            assert!(got.len() == 1 && got[0].0 <= from && got[0].1 >= from, "{from}: {got:?}");
        }
    }

    #[test]
    fn recovery_cuts_a_torn_tail() {
        let folder = tempfile::tempdir().unwrap();
        let segment = filled(Some(folder.path()), 0, 3, 50);
        let (path, whole) = (segment.path().unwrap().to_owned(), segment.bytes);
        let third = whole - read_third(&segment);
        let good = fs::read(&path).unwrap();
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let mut zeros = good.clone();
        zeros.extend_from_slice(&[0; 500]);
        let mut again = good.clone();
        again.extend_from_slice(&good);
        let rows: [(&str, Vec<u8>, u64, i64); 6] = [
            ("a whole file stays", good.clone(), whole, 6),
            ("a cut batch goes", good[..good.len() - 1].to_vec(), third, 3),
            ("a flipped byte ends the log before its batch", flipped, third, 3),
            ("zeros behind the end go", zeros, whole, 6),
            ("offsets may not repeat", again, whole, 6),
            ("an empty file is an empty segment", Vec::new(), 0, 0),
        ];
        for (claim, content, want_bytes, want_next) in rows {
            fs::write(&path, &content).unwrap();
            let mut seen = 0;
            let (recovered, torn) = Segment::recover(path.clone(), 0, true, &mut |_, _| seen += 1).unwrap();
            assert_eq!((recovered.bytes, recovered.next_offset), (want_bytes, want_next), "{claim}");
            assert_eq!(torn, content.len() as u64 - want_bytes, "{claim}");
            assert_eq!(fs::metadata(&path).unwrap().len(), want_bytes, "{claim}");
        }
    }

    fn read_third(segment: &Segment) -> u64 {
        let mut cursor = segment.batches();
        let mut last = 0;
        while let Some(header) = cursor.next_header().unwrap() {
            last = header.batch_bytes as u64;
        }
        last
    }
}
