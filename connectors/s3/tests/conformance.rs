//! The promises of a sink task, checked by the suite that all sinks share.

mod support;

use async_trait::async_trait;
use couplet_api::data::SinkRecord;
use couplet_testkit::conformance::{SinkExpectations, Target, sink_conformance};
use support::{Mode, Proxy, Server};

struct Bucket {
    server: Server,
    proxy: Proxy,
}

#[async_trait]
impl Target for Bucket {
    async fn interrupt(&self) -> bool {
        self.proxy.set(Mode::Refuse);
        true
    }

    async fn mend(&self) {
        self.proxy.set(Mode::Pass);
    }

    async fn delivered(&self) -> Option<Vec<String>> {
        Some(support::names_in(&self.server.objects().await))
    }
}

fn identity(record: &SinkRecord) -> String {
    support::name(record.original.partition, record.original_offset)
}

#[tokio::test]
async fn conformance() {
    let Some(server) = Server::with_bucket("conformance").await else { return };
    let proxy = Proxy::before(&server.endpoint).await;
    let props = server.props(&[("store.url", &proxy.endpoint), ("flush.size", "2")]);
    let broken = server.props(&[("s3.bucket.name", "no-such-bucket-x")]);
    let target = Bucket { server, proxy };
    let records = (0..10).map(|n| support::record(i32::try_from(n % 2).expect("small"), n / 2, n)).collect();
    let expect = SinkExpectations { records, identity, broken: Some(broken), target: &target };
    Box::pin(sink_conformance(&*support::plugin(), &props, &expect)).await;
    target.server.remove().await;
}
