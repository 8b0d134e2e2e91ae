"""What WhatsApp itself writes into an export, in the languages it is most used in.

On iPhones these lines carry a mark of text direction, which settles the matter in any language; the words below are for
Android, whose exports carry none, and for files that lost their marks. All comparisons are on `folded` text.
"""

from __future__ import annotations

import re

MEDIA_KINDS = (
    "image", "photo", "video", "video note", "audio", "gif", "sticker", "document", "contact card", "media",
    "bild", "kontaktkarte", "dokument", "imagen", "vídeo", "documento", "tarjeta de contacto", "imagem",
    "ficheiro de áudio", "contacto", "áudio", "figurinha", "cartão do contato", "vidéo", "fiche contact",
    "immagine", "scheda contatto", "afbeelding", "contactkaart", "изображение", "видео", "аудио", "стикер", "документ",
)  # fmt: skip
MEDIA_VERBS = (
    "omitted", "weggelassen", "ausgelassen", "omitido", "omitida", "não revelado", "não revelada", "ocultado",
    "ocultada", "absent", "absente", "omis", "omise", "omesso", "omessa", "weggelaten", "пропущено", "пропущен",
    "опущено",
)  # fmt: skip
# Inside <...>, these stems are enough: <Media omitted>, <Medien ausgeschlossen>, <Без медиафайлов>, ...
BRACKETED_MEDIA = re.compile(
    r"omit|ausgeschlossen|exclu|omis|oculta|omess|weggelaten|pominię|vynech|медиа|медіа|dahil edilmedi|udelad"
    r"|utelämn|utelat|mediaa? jätetty|省略|생략|मीडिया|الوسائط|وسائط|رسانه|מדיה"
    r"|ausgelassen|παραλείφθ|πολυμέσων|multim[eé]di"
)
ATTACHED = re.compile(
    r"\S.*\.\w{2,5} \((?:file attached|datei angehängt|archivo adjunto|fichier joint|arquivo anexado|ficheiro anexado"
    r"|file allegato|bestand bijgevoegd|файл добавлен|файл додано|dosya ekli|soubor byl přiložen|plik załączony"
    r"|berkas terlampir|fil bifogad|vedlagt fil|fil vedhæftet|tiedosto liitetty"
    r"|添付ファイル|文件附件|附加檔案|파일 첨부됨"
    r"|ملف مرفق|फ़ाइल अटैच की गई|הקובץ צורף|[^()]*attached[^()]*)\)"
)
# Names WhatsApp gives to files itself; whatever language stands in the parentheses.
OWN_FILE = re.compile(r"(?:img|vid|ptt|aud|stk|doc)-\d{8}-wa\d+\.\w{2,5}(?: \([^()]*\))?")
BRACKETED_FILE = re.compile(r"<[^<>:]{3,24} ?: [^<>]+\.\w{2,5}>")
OTHER_MEDIA = re.compile(
    r"null|(?:live )?location(?: shared)?: https?://\S+|(?:ubicación|standort|localização|localizzazione|position|posizione"
    r"|locatie|poloha|местоположение|konum|lokalizacja|lokasi|موقع|लोकेशन|vị trí|位置情報|位置)\s?: https?://maps\.\S+"
    r"|live location shared|poll:|umfrage:|encuesta:|sondage\s?:|enquete:|sondaggio:"
)
DELETED = frozenset((
    "this message was deleted", "you deleted this message", "this message was deleted by admin",
    "diese nachricht wurde gelöscht", "du hast diese nachricht gelöscht", "se eliminó este mensaje",
    "eliminaste este mensaje", "este mensaje fue eliminado", "este mensaje se eliminó", "ce message a été supprimé",
    "vous avez supprimé ce message", "mensagem apagada", "esta mensagem foi apagada", "apagou esta mensagem",
    "você apagou esta mensagem", "essa mensagem foi apagada", "questo messaggio è stato eliminato",
    "hai eliminato questo messaggio", "dit bericht is verwijderd", "je hebt dit bericht verwijderd",
    "u hebt dit bericht verwijderd", "данное сообщение удалено", "это сообщение удалено", "сообщение удалено",
    "вы удалили данное сообщение", "вы удалили это сообщение", "цe повідомлення видалено", "це повідомлення видалено",
    "ви видалили це повідомлення", "bu mesaj silindi", "bu mesajı sildiniz", "ta wiadomość została usunięta",
    "usunięto tę wiadomość", "usunąłeś tę wiadomość", "tato zpráva byla odstraněna", "tuto zprávu jste odstranil/a",
    "pesan ini telah dihapus", "pesan ini dihapus", "anda menghapus pesan ini", "det här meddelandet raderades",
    "du raderade det här meddelandet", "denne meldingen ble slettet", "denne besked blev slettet",
    "tämä viesti poistettiin", "poistit tämän viestin", "このメッセージは削除されました",
    "このメッセージを削除しました", "此消息已删除", "你删除了此消息", "此訊息已刪除", "您已刪除此訊息",
    "삭제된 메시지입니다", "이 메시지를 삭제했습니다",
    "تم حذف هذه الرسالة", "لقد حذفت هذه الرسالة", "यह मैसेज डिलीट कर दिया गया है", "यह संदेश मिटाया गया",
    "आपने यह मैसेज डिलीट किया", "הודעה זו נמחקה", "tin nhắn này đã bị xóa", "bạn đã xoá tin nhắn này",
))  # fmt: skip
CALL = re.compile(
    r"(?:missed |silenced )?(?:group )?(?:voice|video|audio) call(?:$|[,.•].*)"
    r"|verpasster? (?:sprach|video)anruf.*|(?:video)?llamada(?: de voz)? perdida.*|appel (?:vocal|vidéo) manqué.*"
    r"|(?:chamada|ligação) de (?:voz|vídeo) perdida.*|(?:video)?chiamata(?: vocale)? persa.*"
    r"|gemiste (?:spraak|video)?oproep.*|пропущенный (?:аудио|видео)звонок.*|zmeškaný (?:hlasový |video)?hovor.*"
    r"|cevapsız (?:sesli|görüntülü) arama.*|nieodebrane połączenie.*|panggilan .*tak terjawab.*|不在着信.*|未接.*来电"
)
# The first line of a group's export, said in the group's name by older versions.
ENCRYPTION = re.compile(
    r"messages and calls are end-to-end encrypted\. |messages you send to this (?:chat|group) "
    r"|messages to this (?:chat|group) are now secured"
    r"|nachrichten und anrufe sind ende-zu-ende|los mensajes y las llamadas están cifrados"
    r"|as mensagens e (?:as )?(?:chamadas|ligações) são|les messages et les appels sont chiffrés"
    r"|i messaggi e le chiamate sono crittografat"
    r"|berichten en (?:gesprekken|oproepen) zijn|сообщения и звонки защищены|zprávy a hovory jsou zabezpečeny"
    r"|mesajlar ve aramalar uçtan uca|wiadomości i połączenia są (?:w pełni )?szyfrowane"
)
# In front of a colon, these are no name: the line quotes a subject or a description that holds a colon itself.
NOTICE = re.compile(
    r" changed (?:the (?:subject|group)|this group|their phone)| created group | added | changed to "
    r"|(?:betreff|gruppen\w+) (?:von|zu|geändert)| hat die gruppe | hat den (?:betreff|gruppennamen)"
    r"| cambió el (?:asunto|nombre)| creó el grupo| a changé (?:l'objet|le nom|le sujet)| a créé le groupe"
    r"| mudou o (?:nome|assunto)| criou o grupo| ha cambiato (?:l'oggetto|il nome)| ha creato il gruppo"
    r"| (?:heeft|hebt) (?:het onderwerp|de groep)| (?:изменил|создал)\w*\(?а?\)? (?:тему|название|группу|описание)"
)
EDITED = re.compile(
    r"\s*[\u200e\u200f]+<[^<>:\n]+>\s*$"
    r"|\s*<(?:this message was edited|diese nachricht wurde bearbeitet\.?|se editó este mensaje\.?"
    r"|este mensaje fue editado|ce message a été modifié|mensagem editada|esta mensagem foi editada"
    r"|(?:questo )?messaggio (?:è stato )?modificato|dit bericht is bewerkt|(?:это )?сообщение изменено|изменено"
    r"|bu mesaj düzenlendi|ta wiadomość została edytowana|tato zpráva byla upravena|pesan ini diedit"
    r"|このメッセージは編集されました|此消息已编辑|메시지가 수정되었습니다|تم تعديل هذه الرسالة)>\s*$",
    re.IGNORECASE,
)
# "WhatsApp Chat with X", "Chat de WhatsApp con X", "Чат WhatsApp с контактом X", ...: what stands before the name.
CHAT_FILE = re.compile(
    r"(?:whatsapp[- ]chat|chat (?:de |di |do )?whatsapp|conversa (?:do|no) whatsapp|discussion whatsapp|czat whatsapp"
    r"|чат whatsapp|whatsapp[- ]?(?:chatt?|sohbeti|chatten|keskustelu))"
    r"(?:\s?-\s|\s(?:with|mit|met|con|com|avec|med|z|s uživatelem|с контактом|с|dengan|ile)\s)",
    re.IGNORECASE,
)
_OMITTED = frozenset(f"{what} {gone}" for what in MEDIA_KINDS for gone in MEDIA_VERBS)


def folded(line: str) -> str:
    """A line as the phrases above are written: lower case, no full stop."""
    return line.strip().rstrip(".。").casefold()


def is_media(line: str) -> bool:
    """Whether a folded line stands for something that is not text, and nothing else."""
    if line in _OMITTED or OTHER_MEDIA.fullmatch(line) or OWN_FILE.fullmatch(line):
        return True
    if line.startswith("<"):
        inside = line.endswith(">") and "<" not in line[1:]
        return inside and bool(BRACKETED_MEDIA.search(line) or BRACKETED_FILE.fullmatch(line))
    return line.endswith(")") and ATTACHED.fullmatch(line) is not None


def is_notice(line: str) -> bool:
    """Whether a folded line is WhatsApp's own although a name stands before it: deleted messages, calls, encryption."""
    return line in DELETED or bool(CALL.fullmatch(line) or ENCRYPTION.match(line))
