/// Defines a plugin's settings once: struct field, parsing, default, checks and documentation of each key in one row.
///
/// A row is `field: Type = "key", Importance, presence [, validator]* [=> { hint: value, … }];` with `Type` one of
/// [`Str`](super::Str), [`Class`](super::Class), [`Bool`](super::Bool), [`Int`](super::Int), [`Short`](super::Short),
/// [`Long`](super::Long), [`Double`](super::Double), [`List`](super::List), [`Secret`](super::Secret); presence
/// `required`, `default "text"` or `optional` (null when absent, the field is an `Option`); and hints `group`, `order`,
/// `width`, `display`, `dependents`, `recommended`, `internal`. The doc comment is the documentation REST shows.
/// Only give `required` and `default` to keys that cannot be null.
///
/// The struct gets `fn config_def() -> ConfigDef` and `fn parse(&Props) -> Result<Self>`, which reports all problems at once.
///
/// ```
/// use couplet_api::config::{Props, at_least};
/// couplet_api::config_def! {
///     /// Settings of a sink.
///     pub struct AcmeConfig {
///         /// Where to write.
///         url: Str = "acme.url", High, required => { display: "URL", width: Long };
///         /// Most records in one request.
///         batch_size_max: Int = "acme.batch.size", Medium, default "500", at_least(1);
///         /// Token, if the server wants one.
///         token: Secret = "acme.token", Medium, optional;
///     }
/// }
/// let config = AcmeConfig::parse(&Props::from_iter([("acme.url", "http://localhost")])).unwrap();
/// assert_eq!((config.batch_size_max, config.token), (500, None));
/// ```
#[macro_export]
macro_rules! config_def {
    (
        $(#[$struct_doc:meta])*
        $vis:vis struct $name:ident {$(
            $(#[doc = $doc:literal])*
            $field:ident: $type:ident = $key:literal, $importance:ident,
            $presence:ident $($default:literal)? $(, $validator:expr)* $(=> { $($hint:ident: $hint_value:tt),* $(,)? })?;
        )*}
    ) => {
        $(#[$struct_doc])*
        #[derive(Debug, Clone)]
        $vis struct $name {$(
            $(#[doc = $doc])*
            pub $field: $crate::config_def!(@field $presence $type),
        )*}

        impl $name {
            /// Every key with type, default, checks and documentation.
            #[allow(clippy::too_many_lines, reason = "one statement per key")]
            $vis fn config_def() -> $crate::config::ConfigDef {
                let mut def = $crate::config::ConfigDef::new();
                $({
                    #[allow(unused_mut)]
                    let mut key = $crate::config::ConfigKey::new(
                        $key,
                        <$crate::config::$type as $crate::config::RowType>::KIND,
                        $crate::config_def!(@default $presence $($default)?),
                        $crate::config::Importance::$importance,
                        [$($doc.trim_ascii()),*].join(" "),
                    );
                    $(key.validators.push($validator);)*
                    $($($crate::config_def!(@hint key $hint $hint_value);)*)?
                    def.add(key);
                })*
                def
            }

            /// Reads the settings; all problems are reported at once.
            ///
            /// # Errors
            /// `Kind::Config`, one line per problem.
            #[allow(clippy::too_many_lines, reason = "one field per key")]
            $vis fn parse(props: &$crate::config::Props) -> $crate::Result<Self> {
                let mut settings = Self::config_def().parse(props)?;
                Ok($name {$(
                    $field: $crate::config_def!(@take $presence $type $key settings),
                )*})
            }
        }
    };

    (@field optional $type:ident) => { Option<<$crate::config::$type as $crate::config::RowType>::Field> };
    (@field $presence:ident $type:ident) => { <$crate::config::$type as $crate::config::RowType>::Field };

    (@default required) => { $crate::config::Default::Required };
    (@default optional) => { $crate::config::Default::Null };
    (@default default $text:literal) => { $crate::config::Default::Text(::std::borrow::Cow::Borrowed($text)) };

    (@take optional $type:ident $key:literal $settings:ident) => {
        <$crate::config::$type as $crate::config::RowType>::field($settings.take($key))
    };
    (@take $presence:ident $type:ident $key:literal $settings:ident) => {
        <$crate::config::$type as $crate::config::RowType>::field($settings.take($key)).ok_or_else(|| {
            $crate::Error::config(concat!("Invalid value null for configuration ", $key, ": Value must be non-null"))
        })?
    };

    (@hint $k:ident group $v:tt) => { $k.group = Some($v.into()); };
    (@hint $k:ident order $v:tt) => { $k.order = $v; };
    (@hint $k:ident width $v:tt) => { $k.width = $crate::config::Width::$v; };
    (@hint $k:ident display $v:tt) => { $k.display_name = Some($v.into()); };
    (@hint $k:ident dependents $v:tt) => { $k.dependents = $v.into_iter().map(Into::into).collect(); };
    (@hint $k:ident recommended $v:tt) => { $k.recommended = $v.into_iter().map(Into::into).collect(); };
    (@hint $k:ident internal $v:tt) => { $k.internal = $v; };
}

#[cfg(test)]
mod tests {
    use crate::config::{Props, Setting, at_least, one_of};

    config_def! {
        /// Test settings.
        struct Sample {
            /// Where
            /// to write.
            url: Str = "url", High, required => { group: "Main", order: 1, width: Long, display: "URL" };
            /// How many.
            count: Int = "count", Medium, default "5", at_least(1);
            /// How.
            mode: Str = "mode", Low, default "fast", one_of(&["fast", "safe"]);
            /// Names.
            names: List = "names", Low, default "";
            /// Token.
            token: Secret = "token", High, optional;
        }
    }

    #[test]
    fn rows_become_fields_and_definitions() {
        let sample = Sample::parse(&Props::from_iter([("url", " http://x "), ("names", "a, b ,c")])).expect("valid");
        assert_eq!((sample.url.as_str(), sample.count, sample.mode.as_str()), ("http://x", 5, "fast"));
        assert_eq!(sample.names, ["a", "b", "c"]);
        assert_eq!(sample.token, None);
        let def = Sample::config_def();
        let url = def.key("url").expect("defined");
        assert_eq!((&*url.doc, url.group.as_deref(), url.order), ("Where to write.", Some("Main"), 1));
    }

    #[test]
    fn all_problems_are_reported_at_once_in_the_words_of_the_jvm() {
        let props = Props::from_iter([("count", "0"), ("mode", "slow"), ("names", ""), ("token", "t0p")]);
        let error = Sample::parse(&props).expect_err("three problems");
        assert_eq!(
            error.message(),
            "Missing required configuration \"url\" which has no default value.\n\
             Invalid value 0 for configuration count: Value must be at least 1\n\
             Invalid value slow for configuration mode: String must be one of: fast, safe"
        );
        let values = Sample::config_def().validate(&Props::from_iter([("count", "x"), ("token", "t0p")]));
        // A check sees the null that stands for the unreadable value, as in the JVM.
        let unreadable = [
            "Invalid value x for configuration count: Not a number of type INT",
            "Invalid value null for configuration count: Value must be non-null",
        ];
        assert_eq!(values[1].errors, unreadable);
        assert_eq!(values[4].value.to_text().as_deref(), Some("[hidden]"));
        assert!(!format!("{values:?}").contains("t0p"), "a secret must not be printed");
        assert_eq!(values[2].value, Setting::Str("fast".to_owned()));
    }
}
