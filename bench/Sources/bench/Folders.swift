import Foundation

/// Where the bench finds its own package and executables, wherever it is called from.
enum Folders {
    /// Folder of the running executable, which is also that of the baselines.
    static func ofExecutable() -> URL {
        let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        return URL(fileURLWithPath: path ?? CommandLine.arguments[0]).deletingLastPathComponent()
    }

    /// The package the executable was built in, or the current folder when it was moved away.
    static func ofPackage() -> URL {
        var folder = ofExecutable()
        while folder.path != "/" {
            let manifest = folder.appendingPathComponent("Package.swift").path
            if FileManager.default.fileExists(atPath: manifest) { return folder }
            folder.deleteLastPathComponent()
        }
        return URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
    }
}
