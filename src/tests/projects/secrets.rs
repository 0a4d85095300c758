//! Secrets of several projects: who loses them is named before it is so.

use super::{Shop, check};

const SECRET: &str = "headers = { authorization = secret(\"login\") }";

#[tokio::test]
async fn a_second_project_says_whose_checks_lose_their_secrets() {
    let hook = "webhook \"oncall\" {\n  url = \"http://hook.example.com/\"\n  secrets = [secret(\"signing\")]\n}\n\n";
    let files = check("web", SECRET) + &check("dns", "");
    let shop = Shop::with(&(hook.to_owned() + &files)).await;
    let alone = shop.document(&[]).await;
    assert_eq!(alone["warnings"], serde_json::json!([]));
    let text = "lokahi {\n  project = \"blog\"\n}\n\n".to_owned();
    shop.folder
        .write_file("shop.hcl", &(text.clone() + &check("a", "")));
    let warned = shop.document(&[]).await["warnings"].to_string();
    let words = "check.web uses a secret, and shop is the only project until now, and will not be";
    assert!(warned.contains(words), "{warned}");
    let words = "webhook.oncall uses a secret, and shop is the only project until now, and will \
                 not be: of several projects a webhook worker uses only secrets";
    assert!(warned.contains(words), "{warned}");
    shop.apply().await;
    // It is said of what comes then, and of no other.
    shop.folder
        .write_file("shop.hcl", &(text + &check("a", "") + &check("b", SECRET)));
    let warned = shop.document(&[]).await["warnings"].to_string();
    let words = "check.b uses a secret, and blog is not the only project here";
    assert!(warned.contains(words), "{warned}");
    assert!(!warned.contains("check.web"), "{warned}");
}
