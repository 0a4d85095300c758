//! What callers say about a check, as a spec. Pure: the same for every call
//! that makes or changes one.

use std::fmt::Display;
use std::str::FromStr;

use super::convert::webhook_format_from;
use crate::model::check::{CheckSpec, Confirm, Every, Timeout};
use crate::model::value::HttpUrl;
use crate::model::webhook::{ReceiverUrl, WebhookFormat, WebhookSpec};
use crate::proto::lokahi::{Check, CreateOpts};
use crate::proto::twirp::TwirpError;

/// What `update_mask` of Put may name.
const FIELDS: [&str; 6] = [
    "url",
    "webhook_url",
    "every",
    "playbook_url",
    "webhook_format",
    "disabled",
];

/// A value of an argument; a refusal names it.
pub(super) fn argument<T>(name: &str, text: &str) -> Result<T, TwirpError>
where
    T: FromStr<Err: Display>,
{
    text.parse()
        .map_err(|error: T::Err| TwirpError::argument(name, error))
}

/// Whether a call says something beside its `hcl`, which says it all.
pub(super) fn beside(opts: &CreateOpts) -> bool {
    let alone = CreateOpts {
        request_id: opts.request_id.clone(),
        hcl: opts.hcl.clone(),
        ..CreateOpts::default()
    };
    *opts != alone
}

/// The spec of a new check.
pub(super) fn created(opts: &CreateOpts) -> Result<CheckSpec, TwirpError> {
    if opts.url.is_empty() {
        return Err(TwirpError::argument("url", "is needed"));
    }
    let mut spec = CheckSpec::new(argument("url", &opts.url)?);
    if opts.every != 0 {
        set_every(&mut spec, opts.every)?;
    }
    if !opts.playbook_url.is_empty() {
        spec.playbook_url = Some(argument("playbook_url", &opts.playbook_url)?);
    }
    spec.webhook = webhook(
        receiver_url(&opts.webhook_url)?,
        format(opts.webhook_format)?,
    )?;
    Ok(spec)
}

/// The spec of a check after Put. Without a mask a zero value leaves its field
/// alone; with one exactly the named fields change, and a zero value clears.
pub(super) fn changed(current: &CheckSpec, put: &Check) -> Result<CheckSpec, TwirpError> {
    if let Some(unknown) = put
        .update_mask
        .iter()
        .find(|field| !FIELDS.contains(&field.as_str()))
    {
        let shown: String = unknown.chars().take(100).collect();
        let why = format!("{shown:?} cannot be changed; {} can", FIELDS.join(", "));
        return Err(TwirpError::argument("update_mask", why));
    }
    let takes = |field: &str, is_zero: bool| {
        if put.update_mask.is_empty() {
            !is_zero
        } else {
            put.update_mask.iter().any(|masked| masked == field)
        }
    };
    let mut spec = current.clone();
    if takes("url", put.url.is_empty()) {
        if put.url.is_empty() {
            return Err(TwirpError::argument("url", "cannot be cleared"));
        }
        spec.url = argument("url", &put.url)?;
    }
    if takes("every", put.every == 0) {
        let default = i32::try_from(Every::DEFAULT.seconds()).unwrap_or(i32::MAX);
        set_every(&mut spec, if put.every == 0 { default } else { put.every })?;
    }
    if takes("playbook_url", put.playbook_url.is_empty()) {
        spec.playbook_url = if put.playbook_url.is_empty() {
            None
        } else {
            Some(argument("playbook_url", &put.playbook_url)?)
        };
    }
    if takes("disabled", !put.disabled) {
        spec.enabled = !put.disabled;
    }
    let kept = current.webhook.as_ref();
    let url = if takes("webhook_url", put.webhook_url.is_empty()) {
        receiver_url(&put.webhook_url)?
    } else {
        kept.map(|webhook| webhook.url.clone())
    };
    let format = if takes("webhook_format", put.webhook_format == 0) {
        format(put.webhook_format)?
    } else if url.is_none() {
        WebhookFormat::default()
    } else {
        kept.map_or(WebhookFormat::default(), |webhook| webhook.format)
    };
    spec.webhook = webhook(url, format)?;
    Ok(spec)
}

/// Sets the period, and with it the timeout and the confirmation where they
/// were the defaults of the old one.
fn set_every(spec: &mut CheckSpec, seconds: i32) -> Result<(), TwirpError> {
    let wrong = |error| TwirpError::argument("every", error);
    let every = Every::from_seconds(seconds.into()).map_err(wrong)?;
    spec.timeout = if spec.timeout == spec.every.default_timeout() {
        every.default_timeout()
    } else {
        let milliseconds = spec.timeout.milliseconds();
        Timeout::from_milliseconds(milliseconds.into(), every).map_err(|_too_long| {
            let why = format!("must be longer than the check's timeout, {milliseconds} ms");
            TwirpError::argument("every", why)
        })?
    };
    if spec.confirm == Confirm::default_for(spec.every) {
        spec.confirm = Confirm::default_for(every);
    }
    spec.every = every;
    Ok(())
}

fn format(number: i32) -> Result<WebhookFormat, TwirpError> {
    webhook_format_from(number).ok_or_else(|| {
        let why = format!("{number} is no format: 0 is protobuf, 1 is json, 2 is alertmanager");
        TwirpError::argument("webhook_format", why)
    })
}

/// A URL as it is: what the API makes has no secrets.
fn receiver_url(url: &str) -> Result<Option<ReceiverUrl>, TwirpError> {
    if url.is_empty() {
        return Ok(None);
    }
    let url: HttpUrl = argument("webhook_url", url)?;
    Ok(Some(url.into()))
}

fn webhook(
    url: Option<ReceiverUrl>,
    format: WebhookFormat,
) -> Result<Option<WebhookSpec>, TwirpError> {
    if let Some(url) = url {
        return Ok(Some(WebhookSpec::new(url, format)));
    }
    if format == WebhookFormat::default() {
        return Ok(None);
    }
    let why = format!("{format} means nothing without a webhook_url");
    Err(TwirpError::argument("webhook_format", why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opts() -> CreateOpts {
        CreateOpts {
            url: "http://site.example.com/".into(),
            webhook_url: "http://hook.example.com/".into(),
            every: 30,
            playbook_url: "https://wiki.example.com/".into(),
            webhook_format: 1,
            ..CreateOpts::default()
        }
    }

    fn put(change: impl FnOnce(&mut Check)) -> Result<CheckSpec, TwirpError> {
        let mut put = Check::default();
        change(&mut put);
        changed(&created(&opts()).unwrap(), &put)
    }

    #[test]
    fn zero_leaves_alone() {
        assert_eq!(put(|_| ()).unwrap(), created(&opts()).unwrap());
    }

    #[test]
    fn a_mask_names_what_changes_and_zero_clears() {
        let spec = put(|put| {
            put.url = "http://not.named.example.com/".into();
            put.update_mask = ["every", "playbook_url", "webhook_url", "webhook_format"]
                .map(String::from)
                .into();
        })
        .unwrap();
        let url = opts().url.parse().unwrap();
        assert_eq!(spec, CheckSpec::new(url));
    }

    #[test]
    fn what_is_disabled_is_enabled_by_its_mask() {
        let disabled = put(|put| put.disabled = true).unwrap();
        assert!(!disabled.enabled);
        let of = |put: &Check| changed(&disabled, put).unwrap().enabled;
        assert!(!of(&Check::default()));
        assert!(of(&Check {
            update_mask: vec!["disabled".into()],
            ..Check::default()
        }));
    }

    #[test]
    fn what_followed_from_the_period_follows_it() {
        let spec = put(|put| put.every = 1).unwrap();
        assert_eq!(spec.timeout.milliseconds(), 800);
        assert_eq!(spec.confirm.retry.as_secs(), 1);
    }

    #[test]
    fn a_new_webhook_url_keeps_the_format() {
        let spec = put(|put| put.webhook_url = "http://other.example.com/".into()).unwrap();
        assert_eq!(spec.webhook.unwrap().format, WebhookFormat::Json);
        let cleared = put(|put| put.update_mask = vec!["webhook_url".into()]).unwrap();
        assert_eq!(cleared.webhook, None);
    }

    #[test]
    fn a_refusal_names_the_argument() {
        let long = format!("http://a/{}", "x".repeat(3000));
        let of = |change: &dyn Fn(&mut CreateOpts)| {
            let mut opts = opts();
            change(&mut opts);
            let error = created(&opts).unwrap_err();
            error.meta.get("argument").cloned().unwrap()
        };
        assert_eq!(of(&|o| o.url.clear()), "url");
        assert_eq!(of(&|o| o.url = "not a url".into()), "url");
        assert_eq!(of(&|o| o.url = "ftp://a/".into()), "url");
        assert_eq!(of(&|o| o.url = long.clone()), "url");
        assert_eq!(of(&|o| o.every = -1), "every");
        assert_eq!(of(&|o| o.every = 2_592_001), "every");
        assert_eq!(of(&|o| o.playbook_url = "wiki".into()), "playbook_url");
        assert_eq!(of(&|o| o.webhook_url = "file:///etc".into()), "webhook_url");
        assert_eq!(
            of(&|o| o.webhook_url = "secret(\"x\")".into()),
            "webhook_url"
        );
        assert_eq!(of(&|o| o.webhook_format = 7), "webhook_format");
        assert_eq!(of(&|o| o.webhook_url.clear()), "webhook_format");
        let unknown = put(|put| put.update_mask = vec!["state".into()]).unwrap_err();
        assert_eq!(unknown.meta["argument"], "update_mask");
    }
}
