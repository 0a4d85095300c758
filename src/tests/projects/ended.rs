//! What `explain` knows of a check that was deleted: who, when, why, and how it comes back.

use super::{Shop, check};

/// What `explain` says, without moments, ids and commits.
async fn explained(shop: &Shop, name: &str) -> String {
    let said = shop.good(&["explain", name]).await;
    let lines = said.lines().map(|line| {
        let words = line.split(' ').map(|word| {
            let is_id = word.len() == 36 && word.matches('-').count() == 4;
            match word {
                _ if is_id => "ID",
                _ if word.starts_with("20") && word.len() == 10 => "DATE",
                _ if word.len() == 5 && word.as_bytes()[2] == b':' => "TIME",
                _ => word,
            }
        });
        words.collect::<Vec<_>>().join(" ") + "\n"
    });
    lines.collect()
}

#[tokio::test]
async fn the_generation_that_deleted_it_is_named() {
    let each = "check \"page\" {\n  for_each = toset([\"cart\"])\n\n  \
                url = \"https://${each.key}.example.com/\"\n}\n\n";
    let shop = Shop::with(&(each.to_owned() + &check("web", "") + &check("dns", ""))).await;
    let id = shop.id("web").await;
    shop.folder.write(&check("dns", ""));
    shop.apply().await;
    let by_name = explained(&shop, "web").await;
    insta::assert_snapshot!(by_name, @r"
    shop/web  https://web.example.com/
      was deleted at DATE TIME UTC with generation 2 of shop by anonymous
      until DATE TIME UTC it comes back, with its history, by: lokahictl restore shop web, or an apply of files that declare it
    ");
    assert_eq!(explained(&shop, &id).await, by_name);
    assert_eq!(explained(&shop, "shop/web").await, by_name);
    let page = explained(&shop, "page[\"cart\"]").await;
    assert!(
        page.contains("lokahictl restore shop 'page[\"cart\"]', or"),
        "{page}"
    );
    // Its name is somebody else's by now: both are told apart.
    let create = ["create", "-u", "http://a.example.com/", "--name", "web"];
    let receiver = ["-w", "http://hook.example.com:8443/x?token=t0ken"];
    shop.good(&[&create[..], &receiver].concat()).await;
    let live = explained(&shop, "web").await;
    assert!(live.starts_with("api/web  "), "{live}");
    // Of its receiver the host is shown, and no more.
    let words = "\n  it tells hook.example.com:8443\n";
    assert!((live.clone() + "\n").contains(words), "{live}");
    let json = shop.good(&["explain", "web", "--output", "json"]).await;
    assert!(!json.contains("t0ken"), "{json}");
    assert_eq!(explained(&shop, &id).await, by_name);
    let nobody = shop.ctl(&["explain", "wob"]).await;
    assert_eq!(nobody.code, 1);
    assert!(
        nobody.words.contains("there is no check \"wob\""),
        "{}",
        nobody.words
    );
}

#[tokio::test]
async fn whoever_deleted_it_past_the_files_is_named() {
    let shop = Shop::with(&(check("web", "") + &check("dns", ""))).await;
    let id = shop.id("web").await;
    let delete = ["delete", "shop/web", "--force", "--reason", "it floods"];
    shop.good(&delete).await;
    let said = explained(&shop, "shop/web").await;
    insta::assert_snapshot!(said, @r"
    shop/web  https://web.example.com/
      was deleted at DATE TIME UTC past the files by anonymous, because: it floods
      until DATE TIME UTC it comes back, with its history, by: lokahictl restore shop web, or an apply of files that declare it
    ");
    // Also when the files do not declare it any more.
    shop.folder.write(&check("dns", ""));
    shop.apply().await;
    assert_eq!(explained(&shop, &id).await, said);
    let json = shop.good(&["explain", &id, "--output", "json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let deleted = &json["deleted"];
    assert_eq!(
        (&deleted["by"], &deleted["reason"]),
        (&"anonymous".into(), &"it floods".into())
    );
    // Another has its name.
    shop.folder
        .write(&(check("web", "every = \"5s\"") + &check("dns", "")));
    let shift = async |days: i32| {
        let shift = "update checks set deleted_at = deleted_at + make_interval(days => $2)
                     where id = $1::text::uuid";
        let mut conn = shop.server.store.acquire().await.unwrap();
        let shift = sqlx::query(shift).bind(&id).bind(days);
        shift.execute(&mut *conn).await.unwrap();
    };
    shift(-8).await;
    let late = explained(&shop, &id).await;
    assert!(
        late.contains("it cannot be brought back any more"),
        "{late}"
    );
    shop.apply().await;
    shift(8).await;
    let other = explained(&shop, &id).await;
    let rest: Vec<&str> = other.lines().skip(2).collect();
    insta::assert_snapshot!(rest.join("\n"), @r"
    until DATE TIME UTC it comes back, with its history, by: lokahictl restore shop web --as NAME
    its name has another check by now, ID
    ");
}

#[tokio::test]
async fn what_the_api_made_and_deleted_is_known_too() {
    let shop = Shop::start().await;
    let create = ["create", "-u", "http://a.example.com/", "--name", "blog"];
    shop.good(&create).await;
    let id = shop.check("api", "blog").await.unwrap().id;
    shop.good(&["delete", "blog"]).await;
    insta::assert_snapshot!(explained(&shop, "blog").await, @r"
    api/blog  http://a.example.com/
      was deleted at DATE TIME UTC over the API by anonymous
      until DATE TIME UTC it comes back, with its history, by: lokahictl restore api ID
    ");
    shop.good(&["restore", "api", &id]).await;
    assert!(explained(&shop, "blog").await.contains("is INIT since"));
    // Another one of its name was deleted since: this one has its id still.
    shop.good(&["delete", "blog"]).await;
    shop.good(&create).await;
    shop.good(&["delete", "blog"]).await;
    let told = explained(&shop, &id).await;
    assert!(told.contains("by: lokahictl restore api"), "{told}");
    shop.good(&["restore", "api", &id]).await;
    assert_eq!(shop.check("api", "blog").await.unwrap().id, id);
}
