//! Addresses that are secrets themselves: who knows one may post there.

use ::url::Url;

/// An address of HTTP; else why it is none, without a word of it.
pub(super) fn http_address(text: &str) -> Result<Url, &'static str> {
    if text.is_empty() {
        return Err("is not given");
    }
    let url = Url::parse(text).map_err(|_| "is no URL")?;
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some(host)) if !host.is_empty() => Ok(url),
        _ => Err("is no address of HTTP"),
    }
}
