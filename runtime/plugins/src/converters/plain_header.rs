use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::converter::{Converter, HeaderConverter};
use couplet_api::data::Datum;

/// A converter that treats headers as it treats values.
pub(super) struct PlainHeader(Arc<dyn Converter>);

/// Makes a header converter of the converter that `create` makes.
pub(super) fn header(
    create: fn(&Props, &str) -> Result<Arc<dyn Converter>>,
    props: &Props,
) -> Result<Arc<dyn HeaderConverter>> {
    Ok(Arc::new(PlainHeader(create(props, "header")?)))
}

impl HeaderConverter for PlainHeader {
    fn from_connect_header(&self, topic: &str, _key: &str, data: &Datum) -> Result<Option<Bytes>> {
        let mut out = BytesMut::new();
        Ok(self.0.from_connect(topic, &[], data, &mut out)?.then(|| out.freeze()))
    }

    fn to_connect_header(&self, topic: &str, _key: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        self.0.to_connect(topic, bytes)
    }
}
