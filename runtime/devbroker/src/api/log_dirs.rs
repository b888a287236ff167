//! DescribeLogDirs: how much each partition takes.

use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};

use super::Context;
use crate::topics::Topic;

pub(super) fn describe(context: &Context<'_>, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let asked = request.topics;
    let wanted = |topic: &Topic, index: i32| match &asked {
        None => true,
        Some(asked) => asked.iter().any(|one| *one.topic == topic.name && one.partitions.contains(&index)),
    };
    let topics = context.shared.topics.all().into_iter().filter_map(|topic| {
        let partitions: Vec<_> = (0..)
            .zip(topic.partitions())
            .filter(|(index, _)| wanted(&topic, *index))
            .map(|(index, partition)| {
                let size = partition.log().bytes() as i64;
                DescribeLogDirsPartition::default().with_partition_index(index).with_partition_size(size)
            })
            .collect();
        let topic = DescribeLogDirsTopic::default().with_name(TopicName(topic.name.clone()));
        (!partitions.is_empty()).then(|| topic.with_partitions(partitions))
    });
    let result =
        DescribeLogDirsResult::default().with_log_dir(context.shared.log_dir.clone()).with_topics(topics.collect());
    DescribeLogDirsResponse::default().with_results(vec![result])
}
