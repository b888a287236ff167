use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use couplet_api::config::Password;
use reqwest::Url;

/// What a registry is shown to let us in.
#[derive(Clone)]
pub enum Credentials {
    /// Nothing, or what stands in the URL.
    Url,
    /// `user:password`.
    Basic(Password),
    /// A fixed token, with the headers that Confluent Cloud wants beside it.
    Bearer {
        /// The token.
        token: Password,
        /// `target-sr-cluster`.
        logical_cluster: Option<String>,
        /// `Confluent-Identity-Pool-Id`.
        identity_pool_id: Option<String>,
    },
}

impl Credentials {
    /// Headers of a request to `url`, names and values.
    pub(super) fn headers(&self, url: &Url) -> Vec<(&'static str, String)> {
        let basic = |user_info: &str| vec![("Authorization", format!("Basic {}", STANDARD.encode(user_info)))];
        match self {
            Credentials::Url if url.username().is_empty() => Vec::new(),
            Credentials::Url => {
                let plain = |text: &str| percent_decoded(text);
                basic(&format!("{}:{}", plain(url.username()), plain(url.password().unwrap_or_default())))
            }
            Credentials::Basic(user_info) => basic(user_info.reveal()),
            Credentials::Bearer { token, logical_cluster, identity_pool_id } => {
                let mut headers = vec![("Authorization", format!("Bearer {}", token.reveal()))];
                headers.extend(logical_cluster.clone().map(|id| ("target-sr-cluster", id)));
                headers.extend(identity_pool_id.clone().map(|id| ("Confluent-Identity-Pool-Id", id)));
                headers
            }
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_by_source() {
        let url = Url::parse("http://al%40ice:s%3Acret@localhost:8081").expect("a URL");
        let bare = Url::parse("http://localhost:8081").expect("a URL");
        let bearer = Credentials::Bearer {
            token: Password::new("t0ken"),
            logical_cluster: Some("lsrc-1".to_owned()),
            identity_pool_id: None,
        };
        let rows = [
            (Credentials::Url, &bare, vec![]),
            (Credentials::Url, &url, vec![("Authorization", format!("Basic {}", STANDARD.encode("al@ice:s:cret")))]),
            (
                Credentials::Basic(Password::new("a:b")),
                &url,
                vec![("Authorization", format!("Basic {}", STANDARD.encode("a:b")))],
            ),
            (
                bearer,
                &bare,
                vec![("Authorization", "Bearer t0ken".to_owned()), ("target-sr-cluster", "lsrc-1".to_owned())],
            ),
        ];
        for (credentials, url, want) in rows {
            assert_eq!(credentials.headers(url), want);
        }
    }
}
