use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::jaas::Jaas;

/// How a token is made that nobody signed, in Java `OAuthBearerUnsecuredLoginCallbackHandler`: for development.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsecuredToken {
    /// Name of the claim that says who the client is.
    pub principal_claim: String,
    /// Who the client is.
    pub principal: String,
    /// How long a token is good for, in seconds.
    pub lifetime_secs: u64,
    /// Claims, those of who the client is, when and how long excepted.
    claims: Map<String, Value>,
    /// Extensions of the SASL message (KIP-342).
    pub extensions: Vec<(String, String)>,
}

impl UnsecuredToken {
    pub(crate) fn from_jaas(jaas: &Jaas) -> Result<Self, String> {
        let principal_claim = jaas.get("unsecuredLoginPrincipalClaimName").unwrap_or("sub").to_owned();
        let mut claims = Map::new();
        for (name, value) in jaas.with_prefix("unsecuredLoginStringClaim_") {
            claims.insert(name.to_owned(), json!(value));
        }
        for (name, value) in jaas.with_prefix("unsecuredLoginNumberClaim_") {
            let number: f64 = value.parse().map_err(|_| format!("claim {name} is no number"))?;
            claims.insert(name.to_owned(), json!(number));
        }
        for (name, value) in jaas.with_prefix("unsecuredLoginListClaim_") {
            // The first character separates the items.
            let items = value.chars().next().map(|mark| value[mark.len_utf8()..].split(mark).collect::<Vec<_>>());
            claims.insert(name.to_owned(), json!(items.unwrap_or_default()));
        }
        let lifetime = jaas.get("unsecuredLoginLifetimeSeconds").unwrap_or("3600");
        let lifetime_secs = lifetime.parse().map_err(|_| "unsecuredLoginLifetimeSeconds is no number of seconds")?;
        let principal = claims.remove(&principal_claim).and_then(|value| value.as_str().map(str::to_owned));
        let principal = principal
            .filter(|name| !name.is_empty())
            .ok_or_else(|| format!("tokens without signature need unsecuredLoginStringClaim_{principal_claim}"))?;
        let extension = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let extensions = jaas.with_prefix("unsecuredLoginExtension_").map(extension).collect();
        Ok(UnsecuredToken { principal_claim, principal, lifetime_secs, claims, extensions })
    }

    /// Whether the token has claims beyond who the client is.
    pub fn has_more_claims(&self) -> bool {
        !self.claims.is_empty()
    }

    /// A token issued at `now_secs` since 1970.
    pub(crate) fn issue(&self, now_secs: u64) -> String {
        let mut claims = self.claims.clone();
        claims.insert(self.principal_claim.clone(), json!(self.principal));
        claims.insert("iat".to_owned(), json!(now_secs));
        claims.insert("exp".to_owned(), json!(now_secs + self.lifetime_secs));
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", encode(&json!({"alg": "none"})), encode(&Value::Object(claims)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_the_options_say() {
        let text = "OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=alice unsecuredLoginListClaim_scope=\",a,b\" \
                    unsecuredLoginNumberClaim_n=1.5 unsecuredLoginLifetimeSeconds=60 unsecuredLoginExtension_traceId=7;";
        let token = UnsecuredToken::from_jaas(&Jaas::parse(text).expect("jaas")).expect("valid");
        assert_eq!(token.extensions, [("traceId".to_owned(), "7".to_owned())]);
        let issued = token.issue(1_000);
        let parts: Vec<&str> = issued.split('.').collect();
        let decode = |part: &str| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
        };
        assert_eq!((decode(parts[0]), parts[2]), (json!({"alg": "none"}), ""));
        let want = json!({"sub": "alice", "scope": ["a", "b"], "n": 1.5, "iat": 1_000, "exp": 1_060});
        assert_eq!(decode(parts[1]).as_object().map(Map::len), want.as_object().map(Map::len));
        for (name, value) in want.as_object().expect("object") {
            assert_eq!(decode(parts[1])[name], *value, "{name}");
        }
    }

    #[test]
    fn a_token_needs_a_principal() {
        let jaas = Jaas::parse("OAuthBearerLoginModule required;").expect("jaas");
        assert!(UnsecuredToken::from_jaas(&jaas).expect_err("nobody").contains("unsecuredLoginStringClaim_sub"));
    }
}
