// make_golden FOLDER: writes FOLDER/NAME.store and NAME.records of every golden store that the
// folder lacks. Run by `make golden`, by hand, when a new version of the format is released: files
// of released versions are never made anew.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "test/golden/golden_stores.hpp"
#include "test/golden/sparse.hpp"

namespace {

bool isThere(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file != nullptr) std::fclose(file);
  return file != nullptr;
}

bool writeText(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "Usage: make_golden FOLDER\n");
    return 2;
  }
  // Codes are sums of floats: one order of addition on every machine.
  setenv("RVE_KERNELS", "scalar", 1);
  const std::string folder = argv[1];
  for (const std::string& name : rve::test::goldenNames()) {
    if (isThere(folder + "/" + name + ".store")) continue;
    const rve::test::GoldenStore store = rve::test::makeGolden(name);
    const std::string text = rve::test::sparseFromBytes(store.image);
    const bool written = writeText(folder + "/" + name + ".store", text) &&
                         writeText(folder + "/" + name + ".records", textOfRecords(store));
    if (!written) {
      std::fprintf(stderr, "Cannot write golden %s in %s\n", name.c_str(), folder.c_str());
      return 1;
    }
    std::printf("%-10s %8zu bytes as %7zu of text, %4zu records\n", name.c_str(),
                store.image.size(), text.size(), store.records.size());
  }
  return 0;
}
