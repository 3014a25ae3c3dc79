package org.quanheng.guard;

import java.io.IOException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The highest sequence that this server has seen of each realm, in one small file per realm. */
final class SequenceStore {

    /** Rules that were seen: their number, and the digest of their text, so that one number means one text. */
    record Seen(long sequence, String digest) {
        static final Seen NOTHING = new Seen(0, "");
    }

    private static final String SUFFIX = ".sequence";
    private static final String GUARDED = ".guarded";

    private final Path directory;

    SequenceStore(Path directory) {
        this.directory = directory;
    }

    Seen read(String realmId) throws IOException {
        Path file = file(realmId);
        if (!Files.exists(file)) {
            return Seen.NOTHING;
        }
        String[] words = Files.readString(file, StandardCharsets.US_ASCII).strip().split(" ");
        try {
            return new Seen(Long.parseLong(words[0]), words[1]);
        } catch (NumberFormatException | ArrayIndexOutOfBoundsException error) {
            throw new IOException("no sequence in " + file, error);
        }
    }

    /** Notes that a realm is guarded, whatever it is called later. */
    void markGuarded(String realmId) throws IOException {
        Files.createDirectories(directory);
        Path mark = directory.resolve(URLEncoder.encode(realmId, StandardCharsets.UTF_8) + GUARDED);
        if (!Files.exists(mark)) {
            Files.writeString(mark, "");
        }
    }

    /** Ids of the realms that were marked. */
    Set<String> guarded() throws IOException {
        Files.createDirectories(directory);
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(GUARDED))
                    .map(name -> name.substring(0, name.length() - GUARDED.length()))
                    .map(name -> URLDecoder.decode(name, StandardCharsets.UTF_8))
                    .collect(Collectors.toUnmodifiableSet());
        }
    }

    /** Keeps what was seen; it is on the disk when this returns. */
    void write(String realmId, Seen seen) throws IOException {
        Files.createDirectories(directory);
        Path fresh = Files.createTempFile(directory, "sequence", ".new");
        try (FileChannel out = FileChannel.open(fresh, StandardOpenOption.WRITE)) {
            out.write(ByteBuffer.wrap((seen.sequence() + " " + seen.digest() + "\n").getBytes(StandardCharsets.US_ASCII)));
            out.force(true);
        }
        Files.move(fresh, file(realmId), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private Path file(String realmId) {
        return directory.resolve(URLEncoder.encode(realmId, StandardCharsets.UTF_8) + SUFFIX);
    }
}
