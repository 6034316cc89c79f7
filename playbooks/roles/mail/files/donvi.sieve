# Mail to <address>+tham-do@… is a probe's: it is proven to arrive and never shown in the inbox.
require ["envelope", "subaddress", "fileinto", "mailbox"];
if envelope :detail "to" "tham-do" {
    fileinto :create "tham-do";
    stop;
}
