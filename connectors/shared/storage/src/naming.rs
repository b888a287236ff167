//! How files are called: `ROOT/TOPIC/DIRECTORIES/TOPIC+PARTITION+OFFSET.EXTENSION`.

use couplet_api::data::TopicPartition;

/// The settings that names depend on.
#[derive(Debug, Clone)]
pub struct FileNaming {
    /// `topics.dir`: may be empty.
    pub root: String,
    /// `directory.delim`.
    pub dir_delim: String,
    /// `file.delim`.
    pub file_delim: String,
    /// `filename.offset.zero.pad.width`: digits of the offset at least.
    pub offset_digits_min: usize,
}

impl FileNaming {
    /// The name, without extension, of the file in `directory` (topic included) that starts at `offset` of `partition`.
    ///
    /// The file is called by the partition it was read from, so that two topics which a transform merges cannot
    /// overwrite each other's files.
    pub fn stem(&self, directory: &str, partition: &TopicPartition, offset: i64) -> String {
        let (dir, file) = (&self.dir_delim, &self.file_delim);
        let root = match self.root.trim().is_empty() {
            true => String::new(),
            false => format!("{}{dir}", self.root),
        };
        let TopicPartition { topic, partition } = partition;
        let digits = self.offset_digits_min;
        format!("{root}{directory}{dir}{topic}{file}{partition}{file}{offset:0digits$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let rows = [
            ("topics", "/", "+", 10, 0, "topics/t/partition=0/t+0+0000000000"),
            ("a/b", "/", "-", 4, 123_456, "a/b/t/partition=0/t-0-123456"),
            ("topics", "_", "+", 10, 7, "topics_t/partition=0_t+0+0000000007"),
            ("", "/", "+", 0, 7, "t/partition=0/t+0+7"),
        ];
        for (root, dir_delim, file_delim, offset_digits_min, offset, want) in rows {
            let naming = FileNaming {
                root: root.to_owned(),
                dir_delim: dir_delim.to_owned(),
                file_delim: file_delim.to_owned(),
                offset_digits_min,
            };
            assert_eq!(naming.stem("t/partition=0", &TopicPartition::new("t", 0), offset), want);
        }
    }
}
