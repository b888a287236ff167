//! The settings that all converters of this crate share, under Confluent's names.

use std::time::Duration;

use couplet_api::config::{ConfigDef, Password, Props, at_least, between, one_of};
use couplet_api::{Error, Result, config_def};
use reqwest::Url;

use crate::SubjectNames;
use crate::client::Credentials;
use crate::subject::known_strategy;

/// Prefix under which every client setting is honoured too, and then wins.
const PREFIX: &str = "schema.registry.";
const ID_PACKAGE: &str = "io.confluent.kafka.serializers.schema.id.";

config_def! {
    /// Keys as users write them.
    struct Keys {
        /// URLs of schema registries, separated by commas; the next one is asked when one cannot be reached.
        url: List = "schema.registry.url", High, required;
        /// Whether to begin with a random URL of the list.
        url_randomize: Bool = "schema.registry.url.randomize", Low, default "false";
        /// Most schemas that are remembered.
        schemas_max: Int = "max.schemas.per.subject", Low, default "1000", at_least(1);
        /// Whether the registry brings schemas into a normal form when it compares and registers them.
        normalize: Bool = "normalize.schemas", Medium, default "false";
        /// Whether schemas that are not registered yet are.
        auto_register: Bool = "auto.register.schemas", Medium, default "true";
        /// Id of the schema to write with; -1 for none.
        use_schema_id: Int = "use.schema.id", Low, default "-1";
        /// Whether data must be readable with the schema of `use.schema.id`.
        id_strict: Bool = "id.compatibility.strict", Low, default "true";
        /// Whether to write, and to read, with the latest version of the subject.
        use_latest: Bool = "use.latest.version", Low, default "false";
        /// Metadata of the version to use as the latest, as `key=value`.
        use_latest_with_metadata: Str = "use.latest.with.metadata", Low, optional;
        /// Whether data must be readable with the latest version.
        latest_strict: Bool = "latest.compatibility.strict", Low, default "true";
        /// Most latest versions that are remembered.
        latest_cache_size: Int = "latest.cache.size", Low, default "1000", at_least(1);
        /// Seconds for which a latest version is remembered; -1 for ever.
        latest_cache_ttl_sec: Int = "latest.cache.ttl.sec", Low, default "-1";
        /// Where the user and password of basic authentication come from: URL, USER_INFO or SASL_INHERIT.
        basic_source: Str = "basic.auth.credentials.source", Medium, default "",
            one_of(&["URL", "USER_INFO", "SASL_INHERIT", ""]);
        /// `user:password` for the source USER_INFO.
        user_info: Secret = "basic.auth.user.info", Medium, default "";
        /// Login module whose user and password the source SASL_INHERIT takes.
        sasl_jaas_config: Secret = "sasl.jaas.config", Medium, optional;
        /// Where the bearer token comes from: STATIC_TOKEN.
        bearer_source: Str = "bearer.auth.credentials.source", Medium, default "";
        /// The token for the source STATIC_TOKEN.
        bearer_token: Secret = "bearer.auth.token", Medium, default "";
        /// Cluster that a bearer token is for.
        bearer_logical_cluster: Str = "bearer.auth.logical.cluster", Medium, optional;
        /// Identity pool that a bearer token is for.
        bearer_identity_pool_id: Str = "bearer.auth.identity.pool.id", Medium, optional;
        /// Java class that finds the subject of a key's schema.
        key_subject: Class = "key.subject.name.strategy", Medium,
            default "io.confluent.kafka.serializers.subject.TopicNameStrategy", known_strategy();
        /// Java class that finds the subject of a value's schema.
        value_subject: Class = "value.subject.name.strategy", Medium,
            default "io.confluent.kafka.serializers.subject.TopicNameStrategy", known_strategy();
        /// Host of a proxy on the way to the registry.
        proxy_host: Str = "proxy.host", Low, default "";
        /// Port of that proxy.
        proxy_port: Int = "proxy.port", Low, default "-1";
        /// Longest time for a connection to be made.
        connect_timeout_ms: Int = "http.connect.timeout.ms", Low, default "60000", at_least(1);
        /// Longest time without a byte of an answer.
        read_timeout_ms: Int = "http.read.timeout.ms", Low, default "60000", at_least(1);
        /// How often a failed request is made again.
        retries: Int = "max.retries", Low, default "3", between(0, 1_000_000);
        /// Longest pause before the first of these tries; it doubles with each.
        retries_wait_ms: Int = "retries.wait.ms", Low, default "1000", at_least(0);
        /// Longest pause before any of them.
        retries_wait_max_ms: Int = "retries.max.wait.ms", Low, default "20000", at_least(0);
        /// Form of the truststore: JKS, PKCS12 or PEM.
        truststore_type: Str = "ssl.truststore.type", Medium, default "JKS";
        /// File with trusted certificates.
        truststore_location: Str = "ssl.truststore.location", High, optional;
        /// Password of that file.
        truststore_password: Secret = "ssl.truststore.password", High, optional;
        /// Trusted certificates in PEM form.
        truststore_certificates: Secret = "ssl.truststore.certificates", High, optional;
        /// Form of the keystore: JKS, PKCS12 or PEM.
        keystore_type: Str = "ssl.keystore.type", Medium, default "JKS";
        /// File with our private key and certificate chain.
        keystore_location: Str = "ssl.keystore.location", High, optional;
        /// Password of that file.
        keystore_password: Secret = "ssl.keystore.password", High, optional;
        /// Password of the private key.
        key_password: Secret = "ssl.key.password", High, optional;
        /// Our private key in PEM form.
        keystore_key: Secret = "ssl.keystore.key", High, optional;
        /// Our certificate chain in PEM form.
        keystore_chain: Secret = "ssl.keystore.certificate.chain", High, optional;
        /// `https` to find the server's name in its certificate, empty to accept any name.
        endpoint_identification: Str = "ssl.endpoint.identification.algorithm", Low, default "https";
    }
}

/// Keys that would change what is written or checked, with the one value that is honoured.
const HONOURED_ONLY: &[(&str, &[&str])] = &[
    ("use.schema.guid", &[""]),
    ("propagate.schema.tags", &["false"]),
    ("schema.format", &[""]),
    ("rule.executors", &[""]),
    ("rule.actions", &[""]),
    ("validation.rules.execution", &["DISABLED"]),
    ("schema.backup.enabled", &["false"]),
    ("context.name.strategy", &["io.confluent.kafka.serializers.context.NullContextNameStrategy"]),
    ("key.schema.id.serializer", &["io.confluent.kafka.serializers.schema.id.PrefixSchemaIdSerializer"]),
    ("value.schema.id.serializer", &["io.confluent.kafka.serializers.schema.id.PrefixSchemaIdSerializer"]),
];

/// Settings of a converter's registry, ready to use.
#[derive(Clone)]
pub struct RegistryConfig {
    /// Base URLs, at least one.
    pub urls: Vec<Url>,
    /// Begin with a random one.
    pub url_randomize: bool,
    /// `max.schemas.per.subject`.
    pub schemas_max: usize,
    /// `normalize.schemas`.
    pub normalize: bool,
    /// How a schema's id is got.
    pub id_source: IdSource,
    /// `id.compatibility.strict` or `latest.compatibility.strict`, whichever `id_source` makes matter.
    pub strict: bool,
    /// `latest.cache.size`.
    pub latest_cache_size: usize,
    /// `latest.cache.ttl.sec`; `None`: for ever.
    pub latest_cache_ttl: Option<Duration>,
    /// What the registry is shown.
    pub credentials: Credentials,
    /// `request.header.*`.
    pub request_headers: Vec<(String, String)>,
    /// Subject of keys or values, whichever the converter is for.
    pub subjects: SubjectNames,
    /// Host and port.
    pub proxy: Option<(String, u16)>,
    /// `http.connect.timeout.ms`.
    pub connect_timeout: Duration,
    /// `http.read.timeout.ms`.
    pub read_timeout: Duration,
    /// `max.retries`.
    pub retries_max: u32,
    /// `retries.wait.ms`.
    pub retry_pause_first: Duration,
    /// `retries.max.wait.ms`.
    pub retry_pause_max: Duration,
    /// Where `ssl.*` is found.
    pub ssl: Props,
    /// Readers use the latest version, too.
    pub read_latest: bool,
}

/// How the id of the schema to write with is got, first match of Confluent's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdSource {
    /// The schema of the data is registered.
    Register,
    /// A fixed id.
    Id(i32),
    /// The latest version with this metadata.
    LatestWithMetadata(Vec<(String, String)>),
    /// The latest version.
    Latest,
    /// The schema of the data must be registered already.
    Find,
}

impl RegistryConfig {
    /// Reads the settings of a converter for keys or values.
    ///
    /// # Errors
    /// `Kind::Config`, all problems with single keys at once.
    pub fn parse(props: &Props, is_key: bool) -> Result<Self> {
        let props = unprefixed(props);
        refuse_others(&props)?;
        let keys = Keys::parse(&props)?;
        let metadata =
            keys.use_latest_with_metadata.as_deref().filter(|text| !text.is_empty()).map(pairs).transpose()?;
        let read_latest = keys.use_latest || metadata.is_some();
        let id_source = match metadata {
            _ if keys.auto_register => IdSource::Register,
            _ if keys.use_schema_id >= 0 => IdSource::Id(keys.use_schema_id),
            Some(metadata) => IdSource::LatestWithMetadata(metadata),
            None if keys.use_latest => IdSource::Latest,
            None => IdSource::Find,
        };
        if read_latest && id_source == IdSource::Register {
            tracing::warn!("use.latest.version does not change what is written while auto.register.schemas is true");
        }
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or_default());
        let size = |n: i32| usize::try_from(n).unwrap_or(1);
        Ok(RegistryConfig {
            urls: keys.url.iter().map(|url| url_of(url)).collect::<Result<_>>()?,
            url_randomize: keys.url_randomize,
            schemas_max: size(keys.schemas_max),
            normalize: keys.normalize,
            strict: if matches!(id_source, IdSource::Id(_)) { keys.id_strict } else { keys.latest_strict },
            id_source,
            latest_cache_size: size(keys.latest_cache_size),
            latest_cache_ttl: u64::try_from(keys.latest_cache_ttl_sec).ok().map(Duration::from_secs),
            credentials: credentials(&keys)?,
            request_headers: request_headers(&props),
            subjects: SubjectNames::of_class(if is_key { &keys.key_subject } else { &keys.value_subject })?,
            proxy: u16::try_from(keys.proxy_port)
                .ok()
                .filter(|port| *port > 0)
                .map(|port| (keys.proxy_host, port))
                .filter(|(host, _)| !host.is_empty()),
            connect_timeout: millis(keys.connect_timeout_ms),
            read_timeout: millis(keys.read_timeout_ms),
            retries_max: u32::try_from(keys.retries).unwrap_or_default(),
            retry_pause_first: millis(keys.retries_wait_ms),
            retry_pause_max: millis(keys.retries_wait_max_ms),
            ssl: props,
            read_latest,
        })
    }
}

/// The keys of a converter: `own` behind those of the registry, these also under their prefix where that is common.
pub fn with_registry_keys(own: &ConfigDef) -> ConfigDef {
    let mut def = Keys::config_def();
    for key in Keys::config_def().keys() {
        if ["ssl.", "basic.auth.user", "bearer.auth.token"].iter().any(|begin| key.name.starts_with(begin)) {
            let mut prefixed = key.clone();
            prefixed.name = format!("{PREFIX}{}", key.name).into();
            def.add(prefixed);
        }
    }
    own.keys().iter().fold(def, |def, key| def.define(key.clone()))
}

/// `props` with `schema.registry.x` as `x`, except for the two keys that are called so.
fn unprefixed(props: &Props) -> Props {
    let mut plain = props.clone();
    for (name, value) in props.iter() {
        match name.strip_prefix(PREFIX) {
            None | Some("url" | "url.randomize") => {}
            Some(bare) => plain.set_nullable(bare, value.map(str::to_owned)),
        }
    }
    plain
}

fn refuse_others(props: &Props) -> Result<()> {
    let mut problems = Vec::new();
    for (key, honoured) in HONOURED_ONLY {
        let value = props.get(key).map(str::trim).filter(|value| !value.is_empty());
        if value.is_some_and(|value| !honoured.contains(&value)) {
            let rest =
                honoured.iter().find(|text| !text.is_empty()).map_or_else(String::new, |v| format!(" other than {v}"));
            problems.push(format!("Configuration {key} is not supported{rest}; remove it"));
        }
    }
    for role in ["key", "value"] {
        let key = format!("{role}.schema.id.deserializer");
        let class = props.get(&key).map(str::trim).unwrap_or_default();
        if !matches!(class.strip_prefix(ID_PACKAGE), Some("DualSchemaIdDeserializer" | "PrefixSchemaIdDeserializer"))
            && !class.is_empty()
        {
            problems.push(format!(
                "Configuration {key} is not supported other than {ID_PACKAGE}PrefixSchemaIdDeserializer; remove it"
            ));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::config(problems.join("\n"))) }
}

fn url_of(text: &str) -> Result<Url> {
    let bad = |problem: &str| {
        Error::config(format!(
            "Invalid value for configuration schema.registry.url: {problem}, such as http://host:8081"
        ))
    };
    let url = Url::parse(text).map_err(|_| bad("a URL is needed"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        "mock" => Err(bad("mock:// registries exist in Java tests only; a real URL is needed")),
        _ => Err(bad("a URL that begins with http or https is needed")),
    }
}

fn credentials(keys: &Keys) -> Result<Credentials> {
    let source = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    match (source(&keys.basic_source).as_deref(), source(&keys.bearer_source).as_deref()) {
        (Some(_), Some(_)) => Err(Error::config(
            "Only one of 'basic.auth.credentials.source' and 'bearer.auth.credentials.source' may be specified",
        )),
        (Some("USER_INFO"), None) if keys.user_info.reveal().is_empty() => Err(Error::config(
            "basic.auth.user.info must be provided when basic.auth.credentials.source is set to USER_INFO",
        )),
        (Some("USER_INFO"), None) => Ok(Credentials::Basic(keys.user_info.clone())),
        (Some("SASL_INHERIT"), None) => inherited(keys.sasl_jaas_config.as_ref()),
        (None, Some("STATIC_TOKEN")) if keys.bearer_token.reveal().is_empty() => Err(Error::config(
            "bearer.auth.token must be provided when bearer.auth.credentials.source is set to STATIC_TOKEN",
        )),
        (None, Some("STATIC_TOKEN")) => Ok(Credentials::Bearer {
            token: keys.bearer_token.clone(),
            logical_cluster: keys.bearer_logical_cluster.clone(),
            identity_pool_id: keys.bearer_identity_pool_id.clone(),
        }),
        (None, Some(other)) => Err(Error::config(format!(
            "Invalid value {other} for configuration bearer.auth.credentials.source: only STATIC_TOKEN is supported"
        ))),
        _ => Ok(Credentials::Url),
    }
}

/// User and password of the first login module.
fn inherited(jaas: Option<&Password>) -> Result<Credentials> {
    let text = jaas.map(Password::reveal).unwrap_or_default();
    let option = |name: &str| {
        let (_, rest) = text.split_once(&format!("{name}="))?;
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        rest[1..].split_once(quote).map(|(value, _)| value)
    };
    match (option("username"), option("password")) {
        (Some(user), Some(password)) => Ok(Credentials::Basic(Password::new(format!("{user}:{password}")))),
        _ => Err(Error::config(
            "Provided SASL Login module doesn't provide username and password options and can't be inherited; \
             set sasl.jaas.config beside the converter's other keys",
        )),
    }
}

fn request_headers(props: &Props) -> Vec<(String, String)> {
    let headers = props.with_prefix("request.header.");
    headers.iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect()
}

/// `a=b,c=d`.
fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let pair = |pair: &str| pair.split_once('=').map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()));
    let pairs: Option<Vec<_>> = text.split(',').map(pair).collect();
    pairs.ok_or_else(|| {
        let problem = "key=value pairs are needed, such as application.version=v1";
        Error::config(format!("Invalid value {text} for configuration use.latest.with.metadata: {problem}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &[(&str, &str)]) -> Result<RegistryConfig> {
        let base = [("schema.registry.url", "http://a:8081, http://b:8081/x")];
        RegistryConfig::parse(&Props::from_iter(base.iter().chain(more).copied()), false)
    }

    #[test]
    fn ids_come_from_where_confluents_order_says() {
        let rows: &[(&[(&str, &str)], IdSource)] = &[
            (&[], IdSource::Register),
            (&[("use.latest.version", "true")], IdSource::Register),
            (&[("auto.register.schemas", "false")], IdSource::Find),
            (&[("auto.register.schemas", "false"), ("use.latest.version", "true")], IdSource::Latest),
            (
                &[("auto.register.schemas", "false"), ("use.latest.version", "true"), ("use.schema.id", "7")],
                IdSource::Id(7),
            ),
            (
                &[("auto.register.schemas", "false"), ("use.latest.with.metadata", "v=1")],
                IdSource::LatestWithMetadata(vec![("v".to_owned(), "1".to_owned())]),
            ),
        ];
        for (more, want) in rows {
            assert_eq!(parse(more).expect("valid").id_source, *want, "{more:?}");
        }
        let urls: Vec<String> = parse(&[]).expect("valid").urls.iter().map(Url::to_string).collect();
        assert_eq!(urls, ["http://a:8081/", "http://b:8081/x"]);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        let rows = [
            ("bearer.auth.credentials.source", "OAUTHBEARER"),
            ("basic.auth.credentials.source", "USER_INFO"),
            ("value.subject.name.strategy", "com.acme.Mine"),
            ("value.schema.id.serializer", "io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer"),
            ("rule.executors", "cel"),
            ("use.latest.with.metadata", "v1"),
            ("schema.registry.url", "mock://x"),
            ("schema.registry.url", "localhost:8081"),
        ];
        for (key, value) in rows {
            let text = parse(&[(key, value)]).err().map(|error| error.to_string()).expect(key);
            assert!(text.contains(key.strip_prefix("schema.registry.ssl.").unwrap_or(key)), "{key}: {text}");
            assert!(!text.contains("canary"), "{text}");
        }
        let both = [("basic.auth.credentials.source", "URL"), ("bearer.auth.credentials.source", "STATIC_TOKEN")];
        assert!(parse(&both).is_err());
        assert!(
            RegistryConfig::parse(&Props::new(), true).err().expect("no URL").message().contains("schema.registry.url")
        );
    }

    #[test]
    fn credentials_may_stand_under_the_prefix_or_in_the_login_module() {
        let prefixed =
            [("basic.auth.credentials.source", "USER_INFO"), ("schema.registry.basic.auth.user.info", "a:b")];
        let login = r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="b";"#;
        let inherited = [("basic.auth.credentials.source", "SASL_INHERIT"), ("sasl.jaas.config", login)];
        for more in [&prefixed, &inherited] {
            match parse(more).expect("valid").credentials {
                Credentials::Basic(user_info) => assert_eq!(user_info.reveal(), "a:b"),
                _ => panic!("basic authentication is configured"),
            }
        }
    }
}
